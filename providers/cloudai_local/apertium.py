"""Apertium as a program that the user installed (it is GPL: never imported, never a dependency).

Rule-based translation, good between close languages. The pairs are those that `apertium -l` lists; texts go through
its stream format (`apertium_stream`), HTML by way of its own `apertium-deshtml`. No shell, and no argument that does
not come from `apertium -l`; a process group that is not done at the deadline is killed.
"""

from __future__ import annotations

import contextlib
import html
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from cloudai.driver import Call
from cloudai.errors import ErrorCode, InvalidInput, MissingDependency, ServiceError, Unsupported
from cloudai.languages import best_match, matches, normalise
from cloudai.types.results import Notice
from cloudai.types.translation import (
    LanguagesRequest,
    LanguagesResult,
    TextFormat,
    TranslateRequest,
    TranslateResult,
)
from cloudai_local.apertium_stream import LostMarkup, Stream, Translated, batches
from cloudai_local.engine import Missing
from cloudai_local.settings import LocalOptions, LocalSettings
from cloudai_local.translation_source import (
    SourceLanguages,
    arranged,
    by_language,
    characters,
    guess_note,
    ignored,
    listed,
)

INSTALL = "apt install apertium apertium-eng-spa (or another pair: apt search apertium-)"
BATCH = 200_000
"""Characters in one run: starting Apertium takes a quarter of a second, a megabyte about eight."""

_SPECIAL = {"hbs_BS": "bs", "hbs_HR": "hr", "hbs_SR": "sr-Latn", "oci_aran": "oc-aranes"}
"""Apertium's names of variants that are no BCP 47 (https://wiki.apertium.org/wiki/Language_and_pair_maintenance)."""
_MODE = re.compile(r"([a-z]{2,3}(?:_\w+)?)-([a-z]{2,3}(?:_\w+)?)")
_ENTITY = re.compile(
    r"<(?:script|style)\b.*?</|<!--.*?-->|<[^>]*>|(&(?:#\d+|#[xX][0-9a-fA-F]+|\w+);)", re.DOTALL | re.I
)
_KEPT = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "\N{NO-BREAK SPACE}": "&nbsp;"}
"""Characters that stay entities: without them the markup would be another, or the space another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mode:
    """One direction: `eng-spa` is English to Spanish."""

    name: str
    source: str
    target: str


class Apertium:
    """`translation.translate` and `translation.languages` by the pairs that are installed."""

    name = "apertium"

    def __init__(self, settings: LocalSettings) -> None:
        self._sources = SourceLanguages(settings)
        self._lock = threading.Lock()
        self._listed: tuple[str, ...] = ()
        self._modes: tuple[Mode, ...] = ()

    def missing(self) -> Missing | None:
        """The program or all pairs. Looks at the pairs' names only; what they mean is worked out when used."""
        if shutil.which("apertium") is None:
            return Missing(reason="the program apertium is not installed", install=INSTALL)
        if not self._names():
            return Missing(reason="apertium has no language pair", install=INSTALL)
        return None

    def modes(self) -> tuple[Mode, ...]:
        """The directions that there are."""
        with self._lock:
            if not self._modes:
                found = (_mode_of(name) for name in self._names())
                self._modes = tuple(mode for mode in found if mode is not None)
            return self._modes

    def _names(self) -> tuple[str, ...]:
        """The names of the pairs that are installed; remembered once there are some."""
        if not self._listed:
            listing = _output(["apertium", "-l"], "", time.monotonic() + 10)
            self._listed = tuple(name for name in listing.split() if _MODE.fullmatch(name))
        return self._listed

    def translate(self, request: TranslateRequest, call: Call) -> TranslateResult:
        """All texts of one source language in one run; unknown words stay as they are, with a notice.

        Raises `MissingDependency` with the line to try when the pair is not installed.
        """
        if request.model or (isinstance(call.options, LocalOptions) and call.options.model):
            raise Unsupported("Apertium has no models to choose from; its pairs are installed by apt")
        deadline = time.monotonic() + call.timeout
        sources = self._sources.of(request, call)
        groups = {
            self._mode(language, request.target, guess_note(sources, language)): places
            for language, places in by_language(sources).items()
        }
        texts: dict[int, str] = {}
        unknown: list[str] = []
        for mode, places in groups.items():
            done = _translated([request.texts[place] for place in places], mode, request.format, deadline)
            texts |= dict(zip(places, done.texts, strict=True))
            unknown += done.unknown
        return TranslateResult(
            translations=arranged(request, sources, texts),
            target=normalise(request.target),
            usage=characters(request),
            warnings=(*ignored(request, "Apertium"), *_unknown_words(unknown)),
            model=" ".join(["apertium", *(mode.name for mode in groups)]),
            raw={"unknown": list(unknown)} if call.raw else None,
        )

    def languages(self, request: LanguagesRequest, call: Call) -> LanguagesResult:
        """The pairs that are installed."""
        found = listed([(mode.source, mode.target) for mode in self.modes()], request.display_language)
        return LanguagesResult(languages=found, model="apertium")

    def close(self) -> None:
        """Close the engines that tell languages."""
        self._sources.close()

    def _mode(self, source: str, target: str, guessed: str) -> Mode:
        mode = _best(self.modes(), source, target)
        if mode is not None:
            return mode
        there = ", ".join(f"{mode.source} -> {mode.target}" for mode in self.modes()) or "none"
        raise MissingDependency(
            f"Apertium has no {source} -> {normalise(target)} here{guessed}; there are: {there}",
            install=f"apt install {_package(source, target)}, where Debian has that pair",
        )


# --- pairs ------------------------------------------------------------------------------------------


def _mode_of(name: str) -> Mode | None:
    """`None` for a mode that is no translation, such as `eng-morph`."""
    match = _MODE.fullmatch(name)
    codes = [_bcp47(code) for code in match.groups()] if match else []
    source, target = codes or (None, None)
    return Mode(name=name, source=source, target=target) if source and target else None


def _bcp47(code: str) -> str | None:
    """`eng` -> `en`, `por_BR` -> `pt-BR`; a variant that BCP 47 doesn't know is private use: `ca-x-iec2017`."""
    language, _, variant = code.partition("_")
    forms = [_SPECIAL[code]] if code in _SPECIAL else [f"{language}-{variant}".strip("-"), f"{language}-x-{variant}"]
    for form in forms:
        with contextlib.suppress(InvalidInput):
            return normalise(form)
    return None


def _best(modes: Sequence[Mode], source: str, target: str) -> Mode | None:
    able = [mode for mode in modes if matches(source, mode.source)]
    target = best_match(target, [mode.target for mode in able]) or ""
    able = [mode for mode in able if mode.target == target]
    source = best_match(source, [mode.source for mode in able]) or ""
    return next((mode for mode in able if mode.source == source), None)


def _package(source: str, target: str) -> str:
    """Debian names pairs by ISO 639-3, in either order."""
    from langcodes import Language as Tag

    try:
        one, two = (Tag.get(normalise(code)).to_alpha3() for code in (source, target))
    except LookupError:
        return "apertium-..."
    return f"apertium-{one}-{two} (or apertium-{two}-{one})"


# --- runs -------------------------------------------------------------------------------------------


def _translated(texts: Sequence[str], mode: Mode, markup: TextFormat, deadline: float) -> Translated:
    done: list[str] = []
    unknown: list[str] = []
    for places in batches(texts, characters=BATCH):
        batch = [texts[place] for place in places]
        try:
            results = [_run(batch, mode, markup, deadline)]
        except LostMarkup:
            results = [_alone(text, mode, markup, deadline) for text in batch]
        done += [text for result in results for text in result.texts]
        unknown += [word for result in results for word in result.unknown]
    return Translated(texts=tuple(done), unknown=tuple(unknown))


def _alone(text: str, mode: Mode, markup: TextFormat, deadline: float) -> Translated:
    try:
        return _run([text], mode, markup, deadline)
    except LostMarkup:
        raise ServiceError("Apertium lost markup or spaces of a text", code=ErrorCode.INTERNAL) from None


def _run(texts: Sequence[str], mode: Mode, markup: TextFormat, deadline: float) -> Translated:
    stream = Stream()
    for text in texts:
        if markup is TextFormat.HTML:
            stream.add_marked_up(_output(["apertium-deshtml"], _readable(text), deadline))
        else:
            stream.add_plain(text)
    return stream.read(_output(["apertium", "-f", "none", mode.name], stream.text(), deadline))


def _readable(text: str) -> str:
    """HTML with its letters as letters: apertium-deshtml 3.8 turns `&eacute;` into two wrong ones."""

    def letter(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        said = html.unescape(match[1])
        return _KEPT.get(said, said if said.isprintable() else match[0])

    return _ENTITY.sub(letter, text.replace("\0", "\N{REPLACEMENT CHARACTER}"))


def _output(command: Sequence[str], text: str, deadline: float) -> str:
    """What a program of Apertium's says to a text. Raises `ServiceError` past the deadline, and when it fails."""
    with tempfile.TemporaryDirectory(prefix=f"cloudai-{os.getpid()}-") as scratch:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(scratch),
            start_new_session=True,
        )
        try:
            out, complaint = process.communicate(text.encode(), timeout=max(deadline - time.monotonic(), 0.001))
        except subprocess.TimeoutExpired as error:
            message = f"{command[0]} was not done in time; give more (timeout=), or less text"
            raise ServiceError(message, code=ErrorCode.DEADLINE_EXCEEDED) from error
        finally:
            _end(process)
    if process.returncode != 0:
        said = complaint.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise ServiceError(f"{command[0]}: {said[0]}", code=ErrorCode.INTERNAL)
    return out.decode(errors="replace")


def _environment(scratch: str) -> dict[str, str]:
    """Ours, with UTF-8 on all locales and a folder for its files that goes away."""
    kept = {name: value for name, value in os.environ.items() if name not in ("LC_ALL", "AP_SETVAR")}
    return {**kept, "LC_CTYPE": "C.UTF-8", "TMPDIR": scratch}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the process's group, and let go of its pipes."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def _unknown_words(words: Sequence[str]) -> list[Notice]:
    if not words:
        return []
    some = ", ".join(list(dict.fromkeys(words))[:8])
    message = f"{len(words)} words are not in Apertium's dictionaries and stand as they were, or uninflected: {some}"
    return [Notice(code="partial", message=message)]
