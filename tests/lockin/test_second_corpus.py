"""The scan against a corpus by another hand than its own: precision and recall, printed by kind of find."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cloudai.lockin import scan
from cloudai.lockin.scanned import Find

CORPUS = Path(__file__).parent / "corpus2"
GROUPS = ("apps", "snippets", "heldout")
FROZEN = "39ddaf4b00216c4dc0ef4fd393caa65017e572c1746d79f4f52fc35a8c300da5"
BAR = 0.95


@dataclass(frozen=True)
class Wanted:
    """One find of the annotation; `operation` may be `*`; `optional`: neither wanted nor wrong."""

    line: int
    provider: str
    service: str
    operation: str
    kind: str
    name: str
    optional: bool = False

    def fits(self, find: Find) -> bool:
        own = (find.line, find.provider, find.kind, find.name) == (self.line, self.provider, self.kind, self.name)
        if self.optional:
            return own
        return own and find.service == self.service and self.operation in ("*", find.operation)


@dataclass
class Score:
    wanted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def precision(self, kind: str | None = None) -> float:
        return self._share(self.found, kind)

    def recall(self, kind: str | None = None) -> float:
        return self._share(self.wanted, kind)

    def _share(self, of: Counter[str], kind: str | None) -> float:
        hits, total = (self.hits[kind], of[kind]) if kind else (self.hits.total(), of.total())
        return hits / total if total else 1.0

    def file(self, name: str, wanted: list[Wanted], found: set[Find]) -> None:
        left = set(found)
        for each in sorted(wanted, key=lambda entry: (entry.optional, entry.operation == "*")):
            fitting = {find for find in left if each.fits(find)}
            left -= fitting
            if each.optional:
                continue
            self.wanted[each.kind] += 1
            if fitting:
                self.hits[each.kind] += 1
                self.found[each.kind] += 1
            else:
                self.wrong.append(f"missed {name}:{each.line} {each.kind} {each.operation} {each.name}")
        for find in sorted(left):
            self.found[find.kind] += 1
            self.wrong.append(f"false  {name}:{find.line} {find.kind} {find.operation} {find.name}")


def annotated(group: str) -> dict[str, list[Wanted]]:
    files = json.loads((CORPUS / f"{group}.json").read_text(encoding="utf-8"))
    return {name: [Wanted(**entry) for entry in entries] for name, entries in files.items()}


def score(group: str) -> Score:
    wanted, found, result = annotated(group), dict[str, set[Find]](), Score()
    for unit in sorted({name.split("/")[0] for name in wanted}):
        path = CORPUS / group / unit
        for find in scan(path).finds:
            found.setdefault(f"{unit}/{find.file}" if path.is_dir() else find.file, set()).add(find)
    for name in sorted({*wanted, *found}):
        result.file(name, wanted.get(name, []), found.get(name, set()))
    return result


def test_the_corpus_is_as_it_was_frozen() -> None:
    digest = hashlib.sha256()
    files = [path for group in GROUPS for path in (CORPUS / group).rglob("*") if path.is_file()]
    for path in sorted([*files, *(CORPUS / f"{group}.json" for group in GROUPS)]):
        digest.update(path.relative_to(CORPUS).as_posix().encode() + b"\0" + path.read_bytes())
    assert digest.hexdigest() == FROZEN


@pytest.mark.parametrize("group", GROUPS)
def test_precision_and_recall_are_at_least_95_percent_for_each_kind_of_find(
    group: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = score(group)
    with capsys.disabled():
        print(f"\nsecond corpus, {group}: precision {found.precision():.4f}, recall {found.recall():.4f}")
        for kind in sorted(found.wanted):
            print(f"  {kind:12} {found.wanted[kind]:4} {found.precision(kind):.3f} {found.recall(kind):.3f}")
        print("\n".join(f"  {line}" for line in found.wrong))
    kinds = [None, *found.wanted]
    assert {kind: found.precision(kind) for kind in kinds if found.precision(kind) < BAR} == {}
    assert {kind: found.recall(kind) for kind in kinds if found.recall(kind) < BAR} == {}


def test_code_without_a_vendor_has_no_find() -> None:
    clean = [name for name, finds in annotated("snippets").items() if not finds]
    assert len(clean) >= 20
    assert {name: scan(CORPUS / "snippets" / name).finds for name in clean} == dict.fromkeys(clean, ())


def test_there_are_five_applications_a_hundred_snippets_and_twenty_held_out() -> None:
    units = {group: {name.split("/")[0] for name in annotated(group)} for group in GROUPS}
    assert {group: len(names) for group, names in units.items()} == {"apps": 5, "snippets": 100, "heldout": 20}


def test_every_line_of_the_annotation_holds_the_name_that_it_says() -> None:
    for group in GROUPS:
        for name, entries in annotated(group).items():
            lines = (CORPUS / group / name).read_text(encoding="utf-8").splitlines()
            for each in entries:
                start = each.name.split("{}")[0][:20]
                near = "\n".join(lines[each.line - 1 : each.line + 1])
                assert start in near or each.kind == "client", f"{name}:{each.line} {each.name}"
