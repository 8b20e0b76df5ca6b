"""Packages of vendors in requirement files: requirements.txt, pyproject.toml, setup.cfg, setup.py, Pipfile ...

conda environments and Dockerfiles too. Names are looked for where each format keeps them; versions do not matter here.
"""

from __future__ import annotations

import ast
import configparser
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping

from cloudai.lockin.catalog import of_package
from cloudai.lockin.modules import Unreadable, parsed
from cloudai.lockin.scanned import Find

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:$|[<>=!~;,@ #(\\])")
_TEXT_FILE = re.compile(
    r"(?:^|[-_.])(?:requirements|constraints|reqs|deps)(?:[-_.].*)?\.(?:txt|in|pip)$", re.IGNORECASE
)
_NAMED = frozenset({
    "pyproject.toml", "setup.cfg", "setup.py", "pipfile",
    "environment.yml", "environment.yaml", "conda.yml", "conda.yaml",
})  # fmt: skip
_INSTALL = re.compile(r"\b(?:pip3?|uv pip|uv|poetry|conda|mamba|pipenv|pdm)\s+(?:install|add)\s+(.*)")
_QUOTED = re.compile(r"""["']([^"']+)["']""")


def is_manifest(name: str, folder: str = "") -> bool:
    """Whether a file of this name lists packages."""
    lower = name.lower()
    return (
        lower in _NAMED
        or is_dockerfile(name)
        or bool(_TEXT_FILE.search(lower))
        or (folder.rpartition("/")[2].lower() in ("requirements", "reqs") and lower.endswith((".txt", ".in")))
    )  # fmt: skip


def is_dockerfile(name: str) -> bool:
    """`Dockerfile`, `Dockerfile.gpu`, `api.dockerfile`, `Containerfile`."""
    lower = name.lower()
    return lower.startswith(("dockerfile", "containerfile")) or lower.endswith(".dockerfile")


def find_packages(file: str, text: str) -> Iterator[Find]:
    """Vendors' packages with the lines that name them. Raises `Unreadable` for a file that can't be parsed."""
    name = file.rpartition("/")[2].lower()
    try:
        wanted = _wanted(name, text)
    except (tomllib.TOMLDecodeError, configparser.Error) as error:
        raise Unreadable(f"can't be parsed: {str(error).splitlines()[0]}") from error
    lines = text.splitlines()
    seen: set[tuple[int, str]] = set()
    for package, number in wanted:
        for line in [number] if number else _lines_with(package, lines):
            if (line, package) not in seen:
                seen.add((line, package))
                yield from _find(file, line, package)


def _find(file: str, line: int, package: str) -> Iterator[Find]:
    found = of_package(package)
    if found is not None:
        provider, service = found
        yield Find(
            file=file, line=line, provider=provider, service=service.id if service is not None else "",
            operation="", kind="dependency", name=package,
        )  # fmt: skip


def _wanted(name: str, text: str) -> Iterable[tuple[str, int]]:
    """Packages, each with its line, or 0 where the format's parser does not tell."""
    if name == "pyproject.toml":
        return [(package, 0) for package in _pyproject(tomllib.loads(text))]
    if name == "pipfile":
        document = tomllib.loads(text)
        return [(p, 0) for part in ("packages", "dev-packages") for p in _table(document, part)]
    if name == "setup.cfg":
        return [(package, 0) for package in _setup_cfg(text)]
    if name == "setup.py":
        return list(_setup_py(text))
    if name.endswith((".yml", ".yaml")):
        return list(_conda(text))
    if is_dockerfile(name):
        return list(installed(text))
    return list(_plain(text))


def _plain(text: str) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(text.splitlines(), 1):
        match = _NAME.match(line)
        if match and not line.lstrip().startswith(("#", "-")):
            yield match[1], number


def installed(text: str) -> Iterator[tuple[str, int]]:
    """Packages of `pip install` lines, continued ones included."""
    going = False
    for number, line in enumerate(text.splitlines(), 1):
        match = _INSTALL.search(line)
        rest = match[1] if match else line if going else ""
        going = bool(match or going) and line.rstrip().endswith("\\")
        for word in re.split(r"&&|\|\||;", rest)[0].split():
            name = _NAME.match(word.strip("\"'"))
            if name and not word.startswith("-") and word != "\\":
                yield name[1], number


def _conda(text: str) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(text.splitlines(), 1):
        item = re.match(r"\s*-\s+['\"]?(?:[\w.-]+::)?([A-Za-z0-9][\w.-]*)", line)
        if item:
            yield item[1], number


def _pyproject(document: Mapping[str, object]) -> Iterator[str]:
    project = _table(document, "project")
    yield from _names(project.get("dependencies"))
    for group in _table(project, "optional-dependencies").values():
        yield from _names(group)
    for group in _table(document, "dependency-groups").values():
        yield from _names(group)
    tool = _table(document, "tool")
    poetry = _table(tool, "poetry")
    yield from (*_table(poetry, "dependencies"), *_table(poetry, "dev-dependencies"))
    for name in _table(poetry, "group"):
        yield from _table(_table(_table(poetry, "group"), name), "dependencies")
    for group in _table(_table(tool, "pdm"), "dev-dependencies").values():
        yield from _names(group)
    yield from _names(_table(tool, "uv").get("dev-dependencies"))
    for environment in _table(_table(tool, "hatch"), "envs").values():
        if isinstance(environment, dict):
            yield from _names(environment.get("dependencies"))


def _setup_cfg(text: str) -> Iterator[str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(text)
    listed = [
        parser.get("options", key, fallback="") for key in ("install_requires", "setup_requires", "tests_require")
    ]
    if parser.has_section("options.extras_require"):
        listed += [value for _, value in parser.items("options.extras_require")]
    for block in listed:
        yield from _names(block.splitlines())


def _setup_py(text: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(parsed(text).tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = _NAME.match(node.value)
            if match and of_package(match[1]) is not None:
                yield match[1], node.lineno


def _names(value: object) -> Iterator[str]:
    for item in value if isinstance(value, list) else ():
        match = _NAME.match(item) if isinstance(item, str) else None
        if match:
            yield match[1]


def _table(document: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _lines_with(package: str, lines: list[str]) -> Iterator[int]:
    """Where a package is named: as a key, or at the start of a quoted or bare requirement."""
    pattern = re.compile(rf"(?:^|[\"'=\[,])\s*[\"']?{re.escape(package)}(?![\w.-]*[\w])", re.IGNORECASE)
    for number, line in enumerate(lines, 1):
        bare = line.split("#")[0] if not _QUOTED.search(line) else line
        if pattern.search(bare) and not line.lstrip().startswith("#"):
            yield number
