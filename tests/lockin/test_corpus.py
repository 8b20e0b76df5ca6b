"""The scan against the corpus that was written before it: every find by file, line, owner, operation, kind and name."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudai.lockin import scan

FROZEN = "25091a5afcebf6899b326922fe5726e5107e3308389b8063b4348d5eff09b749"
BAR = 0.95
Key = tuple[str, int, str, str, str, str, str]


def frozen_files(corpus: Path) -> list[Path]:
    groups = [path for group in ("apps", "snippets") for path in (corpus / group).rglob("*") if path.is_file()]
    return sorted([*groups, corpus / "apps.json", corpus / "snippets.json"])


def test_the_corpus_is_as_it_was_frozen(corpus: Path) -> None:
    digest = hashlib.sha256()
    for path in frozen_files(corpus):
        digest.update(path.relative_to(corpus).as_posix().encode() + b"\0" + path.read_bytes())
    assert digest.hexdigest() == FROZEN


def wanted(corpus: Path, group: str) -> dict[str, set[Key]]:
    found = {}
    for name, finds in json.loads((corpus / f"{group}.json").read_text(encoding="utf-8")).items():
        found[name] = {
            (name, f["line"], f["provider"], f["service"], f["operation"], f["kind"], f["name"]) for f in finds
        }
    return found


def given(corpus: Path, group: str, unit: str, prefix: str) -> Iterator[Key]:
    for f in scan(corpus / group / unit).finds:
        yield f"{prefix}{f.file}", f.line, f.provider, f.service, f.operation, f.kind, f.name


def both(corpus: Path, group: str) -> tuple[set[Key], set[Key]]:
    files = wanted(corpus, group)
    expected = {key for keys in files.values() for key in keys}
    if group == "apps":
        found = {
            key
            for app in sorted({name.split("/")[0] for name in files})
            for key in given(corpus, group, app, f"{app}/")
        }
    else:
        found = {key for name in files for key in given(corpus, group, name, f"{name.rpartition('/')[0]}/".lstrip("/"))}
    return expected, found


@pytest.mark.parametrize("group", ["apps", "snippets"])
def test_precision_and_recall_are_at_least_95_percent(
    corpus: Path, group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    expected, found = both(corpus, group)
    hits = expected & found
    precision, recall = len(hits) / len(found), len(hits) / len(expected)
    with capsys.disabled():
        print(f"\nlock-in scan, {group}: {len(expected)} finds, precision {precision:.4f}, recall {recall:.4f}")
        for key in sorted(expected - found):
            print("  missed", *key)
        for key in sorted(found - expected):
            print("  false ", *key)
    assert precision >= BAR
    assert recall >= BAR


@pytest.mark.parametrize("group", ["apps", "snippets"])
def test_every_kind_of_find_keeps_the_bar_on_its_own(corpus: Path, group: str) -> None:
    expected, found = both(corpus, group)
    total = Counter(key[5] for key in expected)
    missed = Counter(key[5] for key in expected - found)
    assert {kind: 1 - missed[kind] / count for kind, count in total.items() if 1 - missed[kind] / count < BAR} == {}


def test_what_only_has_a_method_of_the_same_name_is_no_find(corpus: Path) -> None:
    clean = [name for name, keys in wanted(corpus, "snippets").items() if not keys]
    assert len(clean) >= 10
    assert {name: scan(corpus / "snippets" / name).finds for name in clean} == dict.fromkeys(clean, ())


def test_the_mixed_applications_arithmetic_has_no_find(corpus: Path) -> None:
    finds = scan(corpus / "apps" / "mixed").finds
    assert not [find for find in finds if find.file.endswith("numbers.py")]


def test_there_are_four_applications_and_sixty_snippets(corpus: Path) -> None:
    assert len(wanted(corpus, "snippets")) == 60
    assert {name.split("/")[0] for name in wanted(corpus, "apps")} == {"moderation", "ocr", "speech", "mixed"}
