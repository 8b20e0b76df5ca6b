"""AI resources in templates of CloudFormation, SAM and the Serverless Framework and in IAM policies, YAML or JSON, with
lines; intrinsic functions are left as they are.

The document is read by PyYAML's `compose` into nodes, which have lines and construct nothing: `!Ref` does no harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from cloudai.lockin.literals import literals
from cloudai.lockin.modules import Unreadable
from cloudai.lockin.policies import actions, iac, managed, policy_template, resource
from cloudai.lockin.scanned import Find

if TYPE_CHECKING:
    import yaml


def is_template(name: str, data: bytes) -> bool:
    """Whether a YAML or JSON file is one: cheaply, before it is parsed."""
    if PurePosixPath(name).name.startswith("serverless."):
        return b"aws" in data
    return b"AWSTemplateFormatVersion" in data or b"AWS::" in data or (b'"Statement"' in data and b'"Action"' in data)


def find_resources(file: str, text: str) -> Iterator[Find]:
    """Resources, permissions and hard-coded ids. Raises `Unreadable` for a template that can't be parsed."""
    import yaml

    try:
        document = yaml.compose(text.replace("\t", "  "), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        raise Unreadable("can't be parsed as a template", mark.line + 1 if mark is not None else None) from error
    if document is not None:
        yield from _types(file, document)
        for value in _scalars(document, set()):
            line = value.start_mark.line + 1
            yield from actions(file, value.value, line)
            yield from managed(file, value.value, line)
            for literal in literals(value.value, used=frozenset()):
                yield Find(file=file, line=line, provider=literal.provider, service=literal.service, operation="",
                           kind="resource_id", name=literal.name)  # fmt: skip


def _types(file: str, document: yaml.Node) -> Iterator[Find]:
    for _, entry in _pairs(_value(document, "Resources")):
        kind = _value(entry, "Type")
        if kind is not None and isinstance(kind.value, str):
            found = resource(kind.value, "cloudformation")
            if found is not None:
                yield iac(file, kind.start_mark.line + 1, found[0], found[1], kind.value)
        for policy in _items(_value(_value(entry, "Properties"), "Policies")):
            for key, _ in _pairs(policy):
                yield from policy_template(file, str(key.value), key.start_mark.line + 1)


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    import yaml

    return node.value if isinstance(node, yaml.MappingNode) else []


def _items(node: yaml.Node | None) -> list[yaml.Node]:
    import yaml

    return node.value if isinstance(node, yaml.SequenceNode) else []


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    return next((value for name, value in _pairs(node) if name.value == key), None)


def _scalars(node: yaml.Node, seen: set[int]) -> Iterator[yaml.Node]:
    import yaml

    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item, seen)
    elif isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from _scalars(value, seen)
    else:
        yield node
