"""Every `pip install 'cloudai[EXTRA]'` that a message names is an extra, and brings what the message misses."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
LINE = re.compile(r"pip install (?:'cloudai\[([a-z0-9,-]+)\]'|(\w[\w-]*))")
SHOWN = [
    path
    for folder in ("cloudai", "providers", "pricing")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".py", ".toml"}
]
BRINGS = {
    "cloudai_azure.ml_client": {"azure-ai-ml", "azure-identity"},
    "cloudai_gcp.vertex_client": {"google-cloud-aiplatform", "google-auth"},
    "cloudai_local.audio": {"soundfile", "soxr", "onnx-asr", "pocketsphinx"},
    "cloudai_local.ctranslate": {"ctranslate2", "sentencepiece"},
    "cloudai_local.faces": {"opencv-python-headless", "scikit-image"},
    "cloudai_local.ocr_rapid": {"rapidocr", "onnxruntime"},
    "cloudai_local.onnx.choice": {"onnxruntime", "numpy"},
}


def brought(extra: str) -> set[str]:
    """The distributions of an extra and of the extras it stands for."""
    found = set()
    for text in EXTRAS[extra]:
        requirement = Requirement(text)
        ours = requirement.name == PROJECT["name"]
        found |= {name for inner in requirement.extras for name in brought(inner)} if ours else {requirement.name}
    return found


def test_every_line_names_an_extra_or_a_dependency_of_ours() -> None:
    named = [(path.name, match) for path in SHOWN for match in LINE.finditer(path.read_text(encoding="utf-8"))]
    assert len(named) >= len(BRINGS)
    wrong = [(name, match[0]) for name, match in named if match[1] and not set(match[1].split(",")) <= set(EXTRAS)]
    known = {Requirement(text).name for text in PROJECT["dependencies"]} | {
        n for extra in EXTRAS for n in brought(extra)
    }
    bare = [(name, match[0]) for name, match in named if match[2] and match[2] not in known]
    assert (wrong, bare) == ([], [])


@pytest.mark.parametrize("module", sorted(BRINGS))
def test_the_line_of_an_engine_brings_what_it_imports(module: str) -> None:
    text = (ROOT / "providers" / Path(*module.split("."))).with_suffix(".py").read_text(encoding="utf-8")
    match = re.search(r"^INSTALL(?:: Final)? = \"pip install 'cloudai\[([\w-]+)\]'\"$", text, re.MULTILINE)
    assert match is not None
    assert brought(match[1]) >= BRINGS[module]


@pytest.mark.parametrize(
    ("constant", "distribution"), [("LINGUA", "lingua-language-detector"), ("PY3LANGID", "py3langid")]
)
def test_the_line_for_telling_languages_brings_the_engine_that_is_missing(constant: str, distribution: str) -> None:
    from cloudai_local import languages

    match = LINE.fullmatch(getattr(languages, f"INSTALL_{constant}"))
    assert match is not None
    assert distribution in brought(match[1])


@pytest.mark.parametrize("extra", ["aws", "gcp", "azure", "local", "local-pdf", "images"])
def test_whatever_takes_pictures_brings_what_reads_their_pixels(extra: str) -> None:
    assert "pillow" in brought(extra)


def test_a_server_of_tensors_brings_no_reader_of_pictures() -> None:
    assert "pillow" not in brought("serve") | {Requirement(text).name for text in PROJECT["dependencies"]}
