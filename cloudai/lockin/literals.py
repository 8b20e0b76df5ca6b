"""What a string says of a vendor: resource names, endpoints, voices and prebuilt models of AI services.

Forms are the vendors' own: ARNs (AWS General Reference), resource names (Google AIP-122), endpoint hosts, voice names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cloudai.lockin.catalog import NOTHING, Meaning, Service, meaning, of_api, of_boto, of_permission, services


@dataclass(frozen=True, slots=True)
class Literal:
    """A hard-coded id. `service` is empty where the string does not say which."""

    name: str
    provider: str
    service: str


_COLLECTIONS = {
    "glossaries": "translate", "adaptiveMtDatasets": "translate", "processors": "documentai",
    "recognizers": "speech", "phraseSets": "speech", "customClasses": "speech", "endpoints": "aiplatform",
    "models": "", "datasets": "", "trainingPipelines": "aiplatform", "customJobs": "aiplatform",
    "batchPredictionJobs": "aiplatform", "pipelineJobs": "aiplatform", "featurestores": "aiplatform",
    "tensorboards": "aiplatform", "hyperparameterTuningJobs": "aiplatform", "metadataStores": "aiplatform",
    "modelDeploymentMonitoringJobs": "aiplatform", "deploymentResourcePools": "aiplatform",
    "featureOnlineStores": "aiplatform", "featureGroups": "aiplatform", "tuningJobs": "aiplatform",
    "persistentResources": "aiplatform", "notebookRuntimeTemplates": "aiplatform", "studies": "aiplatform",
    "publishers": "aiplatform", "indexEndpoints": "aiplatform", "indexes": "aiplatform",
    "productSets": "vision", "products": "vision", "agents": "dialogflow",
}  # fmt: skip
_ARN = re.compile(r"arn:(?:aws[a-z-]*|\{\}|\$\{[\w.:]+\}):([a-z0-9-]+):[^\s\"'<>]*")
_RESOURCE = re.compile(r"projects/[^/\s\"']+/locations/[^/\s\"'?]+(?:/([A-Za-z]+)(?:/[^\s\"'?]+)?)?")
_URL = r"(?:(?:https?|wss?)://)?"
_REST = r"(?::\d+)?(?:[/?][^\s\"'<>]*)?"
_GOOGLE = re.compile(rf"{_URL}([a-z0-9{{}}-]+)\.googleapis\.com{_REST}")
_AZURE = re.compile(
    rf"{_URL}[A-Za-z0-9.{{}}-]+\.(?:cognitiveservices\.azure\.(?:com|us|cn)|api\.cognitive\.microsoft\.com"
    rf"|services\.ai\.azure\.com|openai\.azure\.com|inference\.ml\.azure\.com){_REST}"
)
_AZURE_SPEECH = re.compile(
    rf"{_URL}[a-z0-9{{}}-]+\.(?:tts|stt|customvoice\.api|cris)\.(?:speech\.microsoft|ai)\.com{_REST}"
)
_TRANSLATOR = re.compile(rf"{_URL}api[a-z-]*\.cognitive\.microsofttranslator\.com{_REST}")
_AWS_HOST = re.compile(
    rf"{_URL}(?:runtime\.)?([a-z-]+)\.(?:[a-z]{{2}}(?:-[a-z]+)+-\d|{{}})\.amazonaws\.com(?:\.cn)?{_REST}"
)
_AWS_IMAGE = re.compile(
    r"\b\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/"
    r"(?:(?:pytorch|tensorflow|huggingface|mxnet|djl|stabilityai|sagemaker|autogluon|xgboost)[\w.:/-]*)"
)
_GOOGLE_IMAGE = re.compile(r"\b[a-z]+-docker\.pkg\.dev/vertex-ai/[\w.:/-]+")
_AZURE_VOICE = re.compile(r"\b[a-z]{2,3}-(?:[A-Z][a-z]{3}-)?[A-Z]{2}(?:-[a-z]+)?-[A-Z]\w*Neural(?:HD)?\b")
_GOOGLE_VOICE = re.compile(
    r"\b[a-z]{2,3}-[A-Z]{2}-(?:Wavenet|Neural2|Standard|Studio|News|Polyglot|Journey|Casual|Chirp-HD|Chirp3-HD|Chirp)-\w+\b"
)
_PREBUILT = re.compile(r"\bprebuilt-[a-zA-Z]+(?:\.[a-zA-Z0-9]+)*\b")
_AZURE_PATH = re.compile(
    r"(?:vision/v[234]\.\d/|computervision/|face/v1\.\d/|formrecognizer/|documentintelligence/|contentsafety/"
    r"|speechtotext/|texttospeech/|translator/text/|customvision/v\d)"
)
"""How paths of Azure's REST interfaces begin, whatever the host."""
_UNKNOWN_HOST = re.compile(r"(?:https?://)?(?!localhost)(?:\{\}|[\w<>{}-]+(?=/))")
"""From the environment, or a placeholder: no name with a dot."""
_HINTS = (
    "arn:",
    "projects/",
    "googleapis",
    "azure",
    "microsoft",
    "amazonaws",
    "docker.pkg.dev",
    "Neural",
    "prebuilt-",
    "-",
)


def literals(text: str, *, used: frozenset[tuple[str, str]]) -> Iterator[Literal]:
    """The ids in a string. `used`: provider and service of what the file uses, for names that several could have."""
    if len(text) > 20_000 or not any(hint in text for hint in _HINTS):
        return
    for match in _ARN.finditer(text):
        service = of_permission(match[1])
        if service is not None:
            yield Literal(match[0], "aws", service.id)
    yield from _google(text, used)
    yield from _azure(text, used)
    for match in _AWS_IMAGE.finditer(text):
        yield Literal(match[0], "aws", "sagemaker")
    for match in _AWS_HOST.finditer(text):
        found = of_boto(match[1])
        if found is not None:
            yield Literal(match[0], "aws", found.id)


def _google(text: str, used: frozenset[tuple[str, str]]) -> Iterator[Literal]:
    for match in _RESOURCE.finditer(text):
        collection = match[1]
        if collection is None or _COLLECTIONS.get(collection) == "":
            own = sorted(service for provider, service in used if provider == "gcp" and service)
            if own:
                yield Literal(match[0], "gcp", own[0] if len(own) == 1 else "")
        elif collection in _COLLECTIONS:
            yield Literal(match[0], "gcp", _COLLECTIONS[collection])
    for match in _GOOGLE.finditer(text):
        service = of_api(match[1])
        if service is not None:
            yield Literal(match[0], "gcp", service.id)
    for match in _GOOGLE_VOICE.finditer(text):
        yield Literal(match[0], "gcp", "texttospeech")
    for match in _GOOGLE_IMAGE.finditer(text):
        yield Literal(match[0], "gcp", "aiplatform")


def _azure(text: str, used: frozenset[tuple[str, str]]) -> Iterator[Literal]:
    for match in _AZURE.finditer(text):
        yield Literal(match[0], "azure", _azure_service(match[0]))
    for pattern, service in ((_AZURE_SPEECH, "speech"), (_TRANSLATOR, "translator"), (_AZURE_VOICE, "speech")):
        for match in pattern.finditer(text):
            yield Literal(match[0], "azure", service)
    if ("azure", "documentintelligence") in used:
        for match in _PREBUILT.finditer(text):
            yield Literal(match[0], "azure", "documentintelligence")


def _azure_service(address: str) -> str:
    """Of a host that several services share: by the path, where there is one."""
    if "openai.azure" in address:
        return "openai"
    if "inference.ml" in address:
        return "machinelearning"
    found = _rest(Literal(address, "azure", ""), address.partition("://")[2] or address)
    return found[0].id if found is not None else ""


def endpoint(url: str) -> tuple[Service, Meaning] | None:
    """Service and operation behind the address of a REST call; None: not an AI service's."""
    for pattern in (_GOOGLE, _AZURE, _AZURE_SPEECH, _TRANSLATOR, _AWS_HOST):
        if pattern.match(url):
            found = next(literals(url, used=frozenset()), None)
            return None if found is None else _rest(found, url.partition("://")[2] or url)
    return None


def endpoint_of_path(url: str, *, keyed: bool) -> tuple[Service, Meaning] | None:
    """The same where the host comes from the environment. `keyed`: the call sends a key of Azure's AI services."""
    match = _UNKNOWN_HOST.match(url)
    path = url[match.end() :].lstrip("/") if match is not None else ""
    if not path or not (keyed or _AZURE_PATH.match(path)):
        return None
    found = [
        (len(part), service, meaning(operation) if operation else NOTHING)
        for (provider, _), service in services().items() if provider == "azure"
        for part, operation in service.rest.items() if part in path
    ]  # fmt: skip
    return max(found, key=lambda entry: entry[0])[1:] if found else None


def _rest(found: Literal, address: str) -> tuple[Service, Meaning] | None:
    path = address.partition("/")[2]
    if found.service:
        service = services()[found.provider, found.service]
        return service, _path_meaning(service, path) or meaning(service.default)
    for (provider, _), service in services().items():
        if provider == found.provider:
            known = _path_meaning(service, path, specific=True)
            if known is not None:
                return service, known
    return None


def _path_meaning(service: Service, path: str, *, specific: bool = False) -> Meaning | None:
    for part, operation in service.rest.items():
        if part in path and (not specific or "/" in part or part in ("transcriptions:transcribe", "transcriptions")):
            return meaning(operation) if operation else NOTHING
    if specific and service.id == "translator" and "translator/" in path:
        return meaning("translation.translate")
    return None
