"""AI resources in Terraform files.

Read line by line: what is looked for is the head of a block and a few of its attributes, with their lines. The parsers
of HCL in Python give no lines for blocks, and refuse a file for one expression that they do not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cloudai.lockin.catalog import NOTHING, Meaning, Service, of_api, services, vendors
from cloudai.lockin.literals import literals
from cloudai.lockin.policies import actions, iac, resource
from cloudai.lockin.scanned import Find

_BLOCK = re.compile(r'^\s*(?:resource|data)\s+"([a-z0-9_]+)"\s+"[^"]*"\s*\{?')
_KIND = re.compile(r'^\s*kind\s*=\s*"([A-Za-z.]+)"')
_API = re.compile(r'"([a-z0-9]+)\.googleapis\.com"')
_PROJECT_SERVICE = ("google_project_service", "google_project_services")
_ROLE = re.compile(r'"roles/(aiplatform|ml|documentai|cloudtranslate|speech|automl|dialogflow|videointelligence)\.\w+"')
_ROLE_SERVICES = {"ml": "aiplatform", "cloudtranslate": "translate"}


def find_resources(file: str, text: str) -> Iterator[Find]:
    """Resources, data sources, enabled APIs, permissions and hard-coded ids."""
    lines = list(_code(text))
    for at, line in enumerate(lines):
        number = at + 1
        block = _BLOCK.match(line)
        if block is not None:
            found = _block(block[1], lines, at)
            if found is not None:
                yield iac(file, number, found[0], found[1], block[1])
            continue
        yield from actions(file, line, number)
        for role in _ROLE.finditer(line):
            service = services().get(("gcp", _ROLE_SERVICES.get(role[1], role[1])))
            if service is not None:
                yield iac(file, number, service, NOTHING, role[0].strip('"'))
        for literal in literals(line, used=frozenset()):
            if not _API.search(line):
                yield Find(file=file, line=number, provider=literal.provider, service=literal.service, operation="",
                           kind="resource_id", name=literal.name)  # fmt: skip


def _block(kind: str, lines: list[str], at: int) -> tuple[Service, Meaning] | None:
    if kind in _PROJECT_SERVICE:
        api = next((m for line in _body(lines, at) if (m := _API.search(line))), None)
        service = of_api(api[1]) if api else None
        return (service, NOTHING) if service is not None else None
    if kind == "azurerm_cognitive_account":
        named = next((m[1] for line in _body(lines, at) if (m := _KIND.match(line))), "")
        for vendor in vendors():
            for own in vendor.services:
                if named in own.kinds:
                    return own, NOTHING
    return resource(kind, "terraform")


def _body(lines: list[str], at: int) -> Iterator[str]:
    """The lines of a block, by its braces."""
    depth = 0
    for line in lines[at:]:
        depth += line.count("{") - line.count("}")
        yield line
        if depth <= 0 and "}" in line:
            return


def _code(text: str) -> Iterator[str]:
    """The lines without comments, which may be `#`, `//` or `/* */`."""
    within = False
    for line in text.splitlines():
        kept, position = "", 0
        quoted = False
        while position < len(line):
            two = line[position : position + 2]
            if within:
                within = two != "*/"
                position += 1 if within else 2
                continue
            if not quoted and two == "/*":
                within = True
                position += 2
                continue
            if not quoted and (line[position] == "#" or two == "//"):
                break
            if line[position] == '"' and line[position - 1 : position] != "\\":
                quoted = not quoted
            kept += line[position]
            position += 1
        yield kept
