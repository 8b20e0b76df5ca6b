"""docs/local-models.md names every key of the `model.toml` of speech, voices and translations, and no other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from cloudai_local.asr_model import FAMILIES, AsrManifest
from cloudai_local.ctranslate_model import TranslateManifest
from cloudai_local.vits import VitsManifest

GUIDE = (Path(__file__).parents[2] / "docs" / "local-models.md").read_text(encoding="utf-8")
MANIFESTS: dict[str, type[BaseModel]] = {
    "transcribe": AsrManifest,
    "synthesize": VitsManifest,
    "translate": TranslateManifest,
}


def keys_of(model: type[BaseModel]) -> set[str]:
    """Keys, those of a table as `table.key`."""
    found = set()
    for name, field in model.model_fields.items():
        kind = field.annotation
        inner = keys_of(kind) if isinstance(kind, type) and issubclass(kind, BaseModel) else set()
        found |= {f"{name}.{key}" for key in inner} or {name}
    return found


def rows(task: str) -> list[str]:
    table = re.search(rf"<!-- keys: {task} -->\n((?:\|.*\n)+)", GUIDE)
    assert table is not None
    return table[1].splitlines()[2:]


@pytest.mark.parametrize("task", sorted(MANIFESTS))
def test_the_table_has_the_keys_that_are_read(task: str) -> None:
    named = [key for row in rows(task) for key in re.findall(r"`([\w.]+)`", row.split("|")[1])]
    assert sorted(named) == sorted(keys_of(MANIFESTS[task]))


def test_the_table_has_the_families_that_are_known() -> None:
    row = next(row for row in rows("transcribe") if row.startswith("| `family`"))
    assert re.findall(r"`([\w-]+)`", row.split("|")[3]) == list(FAMILIES)


def test_the_manifests_shown_are_sound() -> None:
    shown = [tomllib.loads(text) for text in re.findall(r"^```toml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)]
    mine = [manifest for manifest in shown if manifest.get("task") in MANIFESTS]
    assert {manifest["task"] for manifest in mine} == set(MANIFESTS)
    for manifest in mine:
        MANIFESTS[manifest["task"]].model_validate(manifest)


@pytest.mark.parametrize("task", sorted(MANIFESTS))
def test_a_misspelt_key_is_refused(task: str) -> None:
    shown = next(text for text in re.findall(r"^```toml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL) if task in text)
    with pytest.raises(ValueError, match=r"lanugage\n\s+Extra inputs are not permitted"):
        MANIFESTS[task].model_validate({"lanugage": "en", **tomllib.loads(shown)})
