"""A scan as SARIF 2.1.0, for code-scanning pages: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html

A result per call that no target has as it is, per option and hard-coded id, per place of a retirement and of a model
that can't leave; what a tool should not nag about (clients, fields, parameters) is in the JSON form.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from cloudai.lockin.rules import Verdict
from cloudai.lockin.scanned import Find, Place, Retirement, Scan, UsedOperation

_VERSION = "2.1.0"
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_SOON = 180
_PRINT = "lockin/v1"
Data = dict[str, object]

_RULES: tuple[tuple[str, str, str, str], ...] = (
    ("lockin/none", "NotHadElsewhere", "An operation that no target offers", "warning"),
    (
        "lockin/work-around",
        "WorkAroundElsewhere",
        "An operation that others offer in part, or by other means",
        "warning",
    ),
    ("lockin/adapter", "AdapterElsewhere", "An operation that other providers offer in other terms", "note"),
    ("lockin/option", "ProviderOption", "An option that only one vendor has", "warning"),
    ("lockin/resource-id", "HardCodedId", "A vendor's resource, endpoint, voice or model named in the code", "note"),
    ("lockin/retirement", "Retirement", "Something in use has an announced end", "warning"),
    ("lockin/model", "ModelStays", "A custom model that can't be exported", "warning"),
    ("lockin/rule", "FailedRule", "What --fail-on names is so", "error"),
)
_INDEX = {rule[0]: index for index, rule in enumerate(_RULES)}


def to_sarif(scan: Scan, verdicts: Sequence[Verdict] = ()) -> str:
    """One log with one run. File addresses are relative to `SRCROOT`, the scanned folder."""
    from cloudai import __version__

    driver: Data = {
        "name": "cloudai lockin", "version": __version__, "semanticVersion": __version__,
        "rules": [_rule(*rule) for rule in _RULES],
    }  # fmt: skip
    run: Data = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": _told_apart(_results(scan, verdicts)),
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": _skipped(scan)}],
    }
    log = {"$schema": _SCHEMA, "version": _VERSION, "runs": [run]}
    return json.dumps(log, ensure_ascii=False, indent=2) + "\n"


def _rule(identity: str, name: str, text: str, level: str) -> Data:
    return {
        "id": identity, "name": name, "shortDescription": {"text": text}, "fullDescription": {"text": f"{text}."},
        "defaultConfiguration": {"level": level},
    }  # fmt: skip


def _results(scan: Scan, verdicts: Sequence[Verdict]) -> Iterator[Data]:
    for used in scan.operations:
        yield from _calls(used)
    for find in scan.finds:
        if find.kind == "option":
            yield _result("lockin/option", f"`{find.name}`: an option that only {find.provider} has", _at(find))
        elif find.kind == "resource_id":
            yield _result("lockin/resource-id", f"`{find.name}` of {find.provider} is named in the code", _at(find))
    for retirement in scan.retirements:
        yield from _retiring(retirement)
    for model in scan.models:
        if model.exportable == "no":
            text = f"{model.provider} {model.service}: the model can't be exported; you keep {model.keeps or 'nothing'}"
            for place in model.places:
                yield _result("lockin/model", text, place)
    for verdict in verdicts:
        if verdict.holds is False:
            yield _result("lockin/rule", f"{verdict.rule}: {verdict.text}", None)


def _told_apart(results: Iterator[Data]) -> list[Data]:
    """The same text twice in one file is two results: the fingerprint counts them, as lines are not part of it."""
    found, seen = list(results), Counter[str]()
    for result in found:
        prints = result.get("partialFingerprints")
        if isinstance(prints, dict):
            key = str(prints[_PRINT])
            prints[_PRINT] = f"{key}:{seen[key]}"
            seen[key] += 1
    return found


def _calls(used: UsedOperation) -> Iterator[Data]:
    for call in used.calls:
        best = min(call.levels.values(), default=1)
        rule = {2: "lockin/adapter", 3: "lockin/work-around", 4: "lockin/none"}.get(best)
        if rule is not None:
            why = "; ".join(f"{target}: {fit.word} ({fit.reasons[0]})" for target, fit in used.fits.items())
            yield _result(rule, f"{used.label} by {used.provider} `{call.name}`. {why}", call.place)


def _retiring(found: Retirement) -> Iterator[Data]:
    ends = f"ends {found.ends}" if found.ends else "is being retired"
    text = f"{found.provider} {found.service}, {found.feature}: {ends}. Instead: {found.replacement or 'none named'}."
    level = "error" if found.days is not None and found.days < _SOON else "warning"
    for place in found.places:
        yield _result("lockin/retirement", f"{text} Source: {found.source}", place, level)


def _at(find: Find) -> Place:
    return Place(file=find.file, line=find.line)


def _result(rule: str, text: str, place: Place | None, level: str = "") -> Data:
    result: Data = {
        "ruleId": rule, "ruleIndex": _INDEX[rule], "level": level or _RULES[_INDEX[rule]][3],
        "message": {"text": text},
    }  # fmt: skip
    if place is not None:
        location = {"uri": quote(place.file), "uriBaseId": "SRCROOT"}
        result["locations"] = [
            {"physicalLocation": {"artifactLocation": location, "region": {"startLine": place.line}}}
        ]
        key = f"{rule}\n{place.file}\n{text}".encode()
        result["partialFingerprints"] = {_PRINT: hashlib.sha256(key).hexdigest()[:32]}
    return result


def _skipped(scan: Scan) -> list[Data]:
    return [
        {
            "level": "note", "message": {"text": f"skipped: {skipped.reason}"},
            "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": quote(skipped.file), "uriBaseId": "SRCROOT"},
                "region": {"startLine": skipped.line or 1},
            }}],
        }
        for skipped in scan.skipped
    ]  # fmt: skip
