"""Who may import whom: read from the source, late imports included."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROVIDERS = ("cloudai_aws", "cloudai_gcp", "cloudai_azure", "cloudai_local")
HOMES = {
    "cloudai": ROOT / "cloudai",
    "cloudai_pricing": ROOT / "pricing" / "cloudai_pricing",
    **{name: ROOT / "providers" / name for name in PROVIDERS},
}


def imports(home: Path) -> Iterator[tuple[str, str]]:
    """(file:line, top-level package) of every import statement."""
    for path in home.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                names = [node.module]
            for name in names:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", name.split(".")[0]


@pytest.mark.parametrize("package", HOMES)
def test_no_arrow_that_must_never_be(package: str) -> None:
    forbidden = {"providers", "pricing", "tests", "examples"}
    if package == "cloudai":
        forbidden |= set(PROVIDERS)
    elif package == "cloudai_pricing":
        forbidden |= {"cloudai", *PROVIDERS}
    else:
        forbidden |= set(PROVIDERS) - {package}
    assert [f"{place} imports {name}" for place, name in imports(HOMES[package]) if name in forbidden] == []


def test_the_planner_needs_the_standard_library_only() -> None:
    import sys

    # rich only prints to a terminal, and cloudai's command brings it; numpy makes bulk.py faster where it is installed,
    # and tests/unit/test_estimate_risk.py holds that the bytes are the same without it
    allowed = {*sys.stdlib_module_names, "cloudai_pricing"}
    others = [(place, name) for place, name in imports(HOMES["cloudai_pricing"]) if name not in allowed]
    faster = "pricing/cloudai_pricing/bulk.py"
    assert [place for place, name in others if (place.partition(":")[0], name) != (faster, "numpy")] == []


@pytest.mark.parametrize("package", HOMES)
def test_every_module_says_what_it_is_for(package: str) -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in HOMES[package].rglob("*.py")
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        and path.read_text(encoding="utf-8").strip()
    ]
    assert silent == []


@pytest.mark.parametrize("package", HOMES)
def test_every_package_is_typed(package: str) -> None:
    assert (HOMES[package] / "py.typed").is_file()
