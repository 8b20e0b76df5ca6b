"""AI resources in Terraform files.

Read line by line: what is looked for is lexical (heads of blocks, strings, heredocs, without comments) and needs lines.
python-hcl2 8.1.4 (read on 2026-11-21) gives lines in its parse tree only: its `with_meta` has no effect since 8.0. It
refuses a whole file for one expression that it does not know, brings lark and a compiled `regex`, and its interface has
changed with each major release. `.tf.json` is read the same way, one key a line as tools write it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cloudai.lockin.catalog import NOTHING, Meaning, Service, of_api, services, vendors
from cloudai.lockin.literals import literals
from cloudai.lockin.policies import actions, iac, managed, resource
from cloudai.lockin.scanned import Find

_BLOCK = re.compile(r'^\s*(?:resource|data)\s+"([a-z0-9_]+)"\s+"[^"]*"\s*\{?')
_JSON_BLOCK = re.compile(r'^\s*"((?:aws|google|azurerm)_[a-z0-9_]+)"\s*:\s*[\[{]')
_HEREDOC = re.compile(r"<<[-~]?\s*([A-Za-z_]\w*)\s*$")
_KIND = re.compile(r'^\s*"?kind"?\s*[=:]\s*"([A-Za-z.]+)"')
_API = re.compile(r'"([a-z0-9]+)\.googleapis\.com"')
_PROJECT_SERVICE = ("google_project_service", "google_project_services")
_ROLE = re.compile(r'"roles/(aiplatform|ml|documentai|cloudtranslate|speech|automl|dialogflow|videointelligence)\.\w+"')
_ROLE_SERVICES = {"ml": "aiplatform", "cloudtranslate": "translate"}


def find_resources(file: str, text: str) -> Iterator[Find]:
    """Resources, data sources, enabled APIs, permissions and hard-coded ids."""
    lines = list(_code(text))
    head = _JSON_BLOCK if file.endswith(".json") else _BLOCK
    told: set[int] = set()
    for at, line in enumerate(lines):
        number = at + 1
        block = head.match(line)
        if block is not None:
            for service, means in _block(block[1], lines, at):
                yield iac(file, number, service, means, block[1])
            if block[1] in _PROJECT_SERVICE:
                told.update(range(at, at + len(list(_body(lines, at)))))
            continue
        if at not in told:
            yield from _enabled(file, line, number)
        yield from actions(file, line, number)
        yield from managed(file, line, number)
        for role in _ROLE.finditer(line):
            granted = services().get(("gcp", _ROLE_SERVICES.get(role[1], role[1])))
            if granted is not None:
                yield iac(file, number, granted, NOTHING, role[0].strip('"'))
        for literal in literals(line, used=frozenset()):
            if not _API.search(line):
                yield Find(file=file, line=number, provider=literal.provider, service=literal.service, operation="",
                           kind="resource_id", name=literal.name)  # fmt: skip


def _enabled(file: str, line: str, number: int) -> Iterator[Find]:
    """APIs in the arguments of a module, in locals and variables: what is enabled from there."""
    for match in _API.finditer(line):
        service = of_api(match[1])
        if service is not None:
            yield iac(file, number, service, NOTHING, match[0].strip('"'))


def _block(kind: str, lines: list[str], at: int) -> list[tuple[Service, Meaning]]:
    if kind in _PROJECT_SERVICE:
        apis = [of_api(match[1]) for line in _body(lines, at) for match in _API.finditer(line)]
        return [(service, NOTHING) for service in dict.fromkeys(apis) if service is not None]
    if kind == "azurerm_cognitive_account":
        named = next((m[1] for line in _body(lines, at) if (m := _KIND.match(line))), "")
        for vendor in vendors():
            for own in vendor.services:
                if named in own.kinds:
                    return [(own, NOTHING)]
    found = resource(kind, "terraform")
    return [found] if found is not None else []


def _body(lines: list[str], at: int) -> Iterator[str]:
    """The lines of a block, by its braces."""
    depth = 0
    for line in lines[at:]:
        depth += line.count("{") - line.count("}")
        yield line
        if depth <= 0 and "}" in line:
            return


def _code(text: str) -> Iterator[str]:
    """The lines without comments, which may be `#`, `//` or `/* */`; heredocs have none."""
    within, end = False, ""
    for line in text.splitlines():
        if end:
            end = "" if line.strip() == end else end
            yield line
            continue
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
        heredoc = _HEREDOC.search(kept)
        end = heredoc[1] if heredoc is not None else ""
        yield kept
