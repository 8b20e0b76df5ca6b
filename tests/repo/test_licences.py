"""The licences of what the extras pull in: no GPL program becomes a dependency."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

GPL = re.compile(r"(?<!L)(?<!Lesser )\b(A?GPL|GNU (Affero )?General Public)", re.IGNORECASE)
BANNED = {"espeakng", "piper-tts", "piper-phonemize", "phonemizer", "apertium", "mutagen", "pyespeak"}
"""GPL engines: used as programs that the user installed, never through pip."""


def pulled_in(name: str, extras: frozenset[str], seen: dict[str, frozenset[str]]) -> None:
    """Collects the installed closure of a distribution with extras."""
    if name.lower() in seen and seen[name.lower()] >= extras:
        return
    seen[name.lower()] = seen.get(name.lower(), frozenset()) | extras
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return
    for line in found.requires or ():
        requirement = Requirement(line)
        wanted = [
            extra
            for extra in ({""} | extras)
            if not requirement.marker or requirement.marker.evaluate({"extra": extra})
        ]
        if wanted:
            pulled_in(requirement.name, frozenset(requirement.extras), seen)


def licence(found: Distribution) -> str:
    meta = found.metadata
    classifiers = [value for value in meta.get_all("Classifier") or () if value.startswith("License")]
    expression = meta.get("License-Expression") or ""
    short = (meta.get("License") or "").splitlines()[:1]
    return "; ".join([expression, *short, *classifiers])


def test_no_extra_pulls_in_a_gpl_distribution() -> None:
    extras = frozenset(distribution("cloudai").metadata.get_all("Provides-Extra") or ()) - {"dev"}
    seen: dict[str, frozenset[str]] = {}
    pulled_in("cloudai", extras, seen)
    assert len(seen) > 10
    assert not BANNED & set(seen)
    wrong = {}
    for name in seen:
        try:
            words = licence(distribution(name))
        except PackageNotFoundError:
            continue  # a marker of another platform
        if GPL.search(words) and "Apache" not in words and "MIT" not in words and "LGPL" not in words:
            wrong[name] = words
    assert wrong == {}
