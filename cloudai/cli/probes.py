"""The smallest real call of each operation that needs nothing from the user: what `cloudai doctor` tries locally."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING

from cloudai.calls.pixels import need_pillow
from cloudai.cli.failures import describe

if TYPE_CHECKING:
    from cloudai.client import Client
    from cloudai.config import Config

WORD = "CLOUD 42"


def try_operations(config: Config, backend: str, operations: Iterable[str]) -> Iterable[tuple[str, bool, str]]:
    """(operation, whether it failed, what came of it) for each."""
    from cloudai import Client

    with Client(config.only(backend)) as client:
        for operation in operations:
            probe = PROBES.get(operation)
            if probe is None:
                yield operation, False, "there; not tried: it needs an input of yours"
                continue
            try:
                yield operation, False, probe(client)
            except Exception as error:  # noqa: BLE001  # a finding, whatever it is
                yield operation, True, describe(error)


def _read_text(client: Client) -> str:
    result = client.vision.read_text(_picture())
    return f"read {result.text!r} from a picture of {WORD!r}{_by(result.model)}"


def _read_document(client: Client) -> str:
    result = client.vision.read_document(_picture())
    return f"read {result.text!r} from a page with {WORD!r}{_by(result.model)}"


def _faces(client: Client) -> str:
    result = client.vision.detect_faces(_picture())
    return f"found {len(result.faces)} faces in a picture without any{_by(result.model)}"


def _synthesize(client: Client) -> str:
    result = client.speech.synthesize("Hello")
    seconds = "" if result.duration is None else f", {result.duration:.1f} s"
    return f"said Hello: {len(result.audio)} bytes{seconds}{_by(result.model)}"


def _transcribe(client: Client) -> str:
    """Hears what was just said, among a few phrases: the engine for small vocabularies can do that too."""
    if not client.explain("speech.synthesize").choices:
        return "there; not tried: nothing here can say a word to hear"
    spoken = client.speech.synthesize("hello world", language="en-US")
    result = client.speech.transcribe(spoken.audio, language="en", phrases=("hello world", "good night"))
    return f"heard {result.text!r} in a synthetic 'hello world'{_by(result.model)}"


def _voices(client: Client) -> str:
    return f"{len(client.speech.voices().voices)} voices"


def _detect_language(client: Client) -> str:
    result = client.translation.detect_language("Where is the nearest railway station, please?")
    return f"took an English sentence for {result.language}{_by(result.model)}"


def _languages(client: Client) -> str:
    found = client.translation.languages().languages
    return f"{len(found)} languages: {', '.join(language.code for language in found[:12])}"


def _translate(client: Client) -> str:
    for language in client.translation.languages().languages:
        for target in (language.targets or ())[:1]:
            result = client.translation.translate("Hello", source=language.code, target=target)
            return f"{language.code} to {target} answers{_by(result.model)}"
    return "there; no pair is listed to try"


def _picture() -> bytes:
    """Black letters on white, as PNG."""
    need_pillow()
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (400, 120), "white")
    ImageDraw.Draw(image).text((40, 30), WORD, fill="black", font=ImageFont.load_default(size=48))
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _by(model: str | None) -> str:
    return f" ({model})" if model else ""


PROBES: Mapping[str, Callable[[Client], str]] = {
    "vision.read_text": _read_text,
    "vision.read_document": _read_document,
    "vision.detect_faces": _faces,
    "speech.transcribe": _transcribe,
    "speech.synthesize": _synthesize,
    "speech.voices": _voices,
    "translation.detect_language": _detect_language,
    "translation.languages": _languages,
    "translation.translate": _translate,
}
