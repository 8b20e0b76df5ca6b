"""Permissions of AI services in policies: `rekognition:DetectLabels` in Terraform and CloudFormation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from cloudai.lockin.catalog import NOTHING, Meaning, Service, meaning, of_permission, vendors
from cloudai.lockin.scanned import Find

_ACTION = re.compile(r"(?<![\w:/-])([a-z0-9-]+):(\*|[A-Z][A-Za-z0-9]*\*?)(?![\w:/])")
_MANAGED = re.compile(
    r"\b(?:Amazon)?(Rekognition|Textract|Transcribe|Polly|Translate|Comprehend|SageMaker)"
    r"(?:\w*(?:FullAccess|ReadOnlyAccess|ServiceRole)|ReadOnly|ExecutionRole)\b"
)
"""AWS's own policies: https://docs.aws.amazon.com/aws-managed-policy/latest/reference/ (2026-11-21)."""
_SAM = re.compile(
    r"(Rekognition|Textract|Polly|Comprehend|SageMaker)"
    r"(?:DetectOnly|Labels|NoDataAccess|Read|WriteOnlyAccess|Faces|DetectAnalyze|GetResult|FullAccess|BasicAccess"
    r"|CreateEndpoint|CreateEndpointConfig|)Policy"
)
"""Policy templates: https://docs.aws.amazon.com/serverless-application-model/ (2026-11-21)."""
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def actions(file: str, text: str, line: int) -> Iterator[Find]:
    """The permissions that a line of a template names."""
    for match in _ACTION.finditer(text):
        service = of_permission(match[1])
        if service is not None:
            yield iac(file, line, service, _meant(service, match[2]), match[0])


def managed(file: str, text: str, line: int) -> Iterator[Find]:
    """The vendor's own policies that a line names, as `AmazonRekognitionReadOnlyAccess`."""
    for match in _MANAGED.finditer(text):
        service = of_permission(match[1].lower())
        if service is not None:
            yield iac(file, line, service, NOTHING, match[0])


def policy_template(file: str, key: str, line: int) -> Iterator[Find]:
    """A policy template of SAM, as `TextractPolicy`."""
    match = _SAM.fullmatch(key)
    service = of_permission(match[1].lower()) if match is not None else None
    if service is not None:
        yield iac(file, line, service, NOTHING, key)


def iac(file: str, line: int, service: Service, means: Meaning, name: str) -> Find:
    """A find of infrastructure code."""
    return Find(
        file=file, line=line, provider=service.provider, service=service.id, operation=means.operation,
        topic=means.topic, kind="iac", name=name,
    )  # fmt: skip


def _meant(service: Service, action: str) -> Meaning:
    if "*" in action:
        return NOTHING
    return service.method("boto", _WORDS.sub("_", action).lower()) or NOTHING


def resource(kind: str, attribute: str) -> tuple[Service, Meaning] | None:
    """The service of a resource type; `attribute` says which list: `terraform` or `cloudformation`."""
    best: tuple[int, Service] | None = None
    for vendor in vendors():
        for service in vendor.services:
            patterns: tuple[str, ...] = getattr(service, attribute)
            for pattern in patterns:
                if fnmatchcase(kind, pattern) and (best is None or len(pattern) > best[0]):
                    best = (len(pattern), service)
    if best is None:
        return None
    operations: dict[str, str] = getattr(best[1], f"{attribute}_operations")
    return best[1], meaning(operations.get(kind, ""))
