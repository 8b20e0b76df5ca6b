"""Where a result's file goes: audio, translated documents, subtitles. Bytes are never written to a terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from cloudai.cli.inputs import Input
from cloudai.cli.terminal import note, show
from cloudai.cli.verbs import Value, Verb
from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    from cloudai.types.results import Result

_FORMATS = {"wav": "wav", "mp3": "mp3", "ogg": "ogg_opus", "opus": "ogg_opus", "flac": "flac", "pcm": "pcm"}
"""File suffix -> audio format."""


def check(verb: Verb, args: argparse.Namespace, inputs: Sequence[Input]) -> None:
    """Says before anything is sent (and billed) that there is nowhere to put the answer."""
    target = getattr(args, "output", None)
    plain_json = args.json or args.raw
    if verb.binary and target is None and not plain_json:
        if sys.stdout.isatty():
            raise InvalidInput(f"{verb.binary} is not written to a terminal: add -o FILE, or redirect the output")
        if len(inputs) > 1:
            raise InvalidInput(f"{len(inputs)} inputs would run into one another: add -o FOLDER")
    if getattr(args, "form", None) and len(inputs) > 1 and target is None:
        raise InvalidInput(f"--{args.form} of {len(inputs)} inputs needs -o FOLDER")
    if target is not None:
        _check_target(Path(target), several=len(inputs) > 1)


def _check_target(target: Path, *, several: bool) -> None:
    if several and target.exists() and not target.is_dir():
        raise InvalidInput(f"-o {target} is a file; for several inputs give a folder")
    if not several and target.is_dir():
        raise InvalidInput(f"-o {target} is a folder; give a file in it")
    if not several and not target.parent.is_dir():
        raise InvalidInput(f"-o {target}: folder {target.parent} does not exist")


def implied(verb: Verb, args: argparse.Namespace, given: Mapping[str, Value]) -> dict[str, Value]:
    """`-o hello.mp3` asks for MP3 unless `--format` says otherwise."""
    target = getattr(args, "output", None)
    if verb.binary != "audio" or target is None or "format" in given:
        return {}
    suffix = Path(target).suffix.lower().lstrip(".")
    return {"format": _FORMATS[suffix]} if suffix in _FORMATS else {}


def write(verb: Verb, args: argparse.Namespace, given: Input, result: Result, *, several: bool) -> bool:
    """Writes the file that was asked for; False: the result is still to be shown."""
    target, form = getattr(args, "output", None), getattr(args, "form", None)
    if target is None:
        return _to_stdout(verb, form, result, plain_json=args.json or args.raw)
    path = Path(target)
    if several:
        path.mkdir(parents=True, exist_ok=True)
        path /= _name(verb, given, result, form)
    path.write_bytes(_content(verb, form, result))
    note(f"wrote {path}")
    return True


def _to_stdout(verb: Verb, form: str | None, result: Result, *, plain_json: bool) -> bool:
    if plain_json:
        return False
    if form is not None:
        show([_text(verb, form, result)])
        return True
    if verb.binary is not None:
        sys.stdout.buffer.write(getattr(result, verb.binary))
        sys.stdout.flush()
        return True
    return False


def _content(verb: Verb, form: str | None, result: Result) -> bytes:
    if verb.binary is not None:
        content: bytes = getattr(result, verb.binary)
        return content
    return (_text(verb, form, result) if form else _shown_text(verb, result)).encode()


def _text(verb: Verb, form: str, result: Any) -> str:
    try:
        return verb.forms[form](result)
    except ValueError as error:
        raise InvalidInput(f"{error}: ask for times (--word-timestamps), or another backend") from error


def _shown_text(verb: Verb, result: Result) -> str:
    return "".join(f"{part}\n" for part in verb.show(result) if isinstance(part, str))


def _name(verb: Verb, given: Input, result: Result, form: str | None) -> str:
    """`call.wav` -> `call.srt`; a translated document keeps its suffix and says its language."""
    name = PurePosixPath(given.label.replace("\\", "/").partition("?")[0])
    if verb.binary == "document":
        return f"{name.stem}.{getattr(result, 'target', 'translated')}{name.suffix}"
    return f"{name.stem}.{form or 'txt'}"
