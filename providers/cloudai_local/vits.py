"""Speech from a VITS model in the user's folder: ONNX Runtime and a table of letters, no phonemizer.

    spanish/model.toml       task = "synthesize"
                             family = "mms-vits"
                             language = "es"
                             sample_rate = 16000        # or in config.json as sampling_rate
    spanish/model.onnx       input_ids (and attention_mask) -> waveform, as Optimum exports `VitsModel`
    spanish/vocab.json       letter -> id
    spanish/tokenizer_config.json   optional: add_blank, normalize, is_uroman

The letters become ids as in `VitsTokenizer` (Transformers, Apache-2.0): lower case, unknown letters left out, the
id 0 between all of them. Meta's MMS-TTS weights are CC-BY-NC: whether you may use them is yours to know.
"""

from __future__ import annotations

import json
import threading
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloudai.driver import Call
from cloudai.errors import InvalidInput, Unsupported
from cloudai.types.results import Notice, Usage
from cloudai.types.speech import SynthesizeRequest, SynthesizeResult, Voice, VoicesRequest, VoicesResult
from cloudai_local import espeak
from cloudai_local.audio import INSTALL, encoded, from_floats
from cloudai_local.engine import Missing
from cloudai_local.folders import ModelFolder, Task, model_folders
from cloudai_local.onnx.safety import contained_file, read_model
from cloudai_local.settings import LocalOptions, LocalSettings
from cloudai_local.spoken import bcp47, covers, speakable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FAMILY = "mms-vits"
MAX_JSON_BYTES = 4 << 20


class VitsManifest(BaseModel):
    """This family's part of `model.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task
    family: str
    language: str | None = None
    sample_rate: int | None = Field(default=None, ge=4000, le=192_000)
    description: str = ""
    license: str | None = None
    source: str | None = None


class LetterTable(BaseModel):
    """`vocab.json` and what `tokenizer_config.json` says of it; other keys of that file are not ours."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ids: dict[str, int] = {}
    add_blank: bool = True
    normalize: bool = True
    is_uroman: bool = False
    phonemize: bool = False

    def encode(self, text: str) -> list[int]:
        """Ids of the letters that the model knows."""
        letters = (letter if letter in self.ids or not self.normalize else letter.lower() for letter in text)
        known = [self.ids[letter] for letter in "".join(filter(self.ids.__contains__, letters)).strip()]
        if not self.add_blank:
            return known
        return [0] + [part for letter in known for part in (letter, 0)] if known else []


class VitsModel:
    """One folder, loaded: a session that many threads may run."""

    def __init__(self, folder: ModelFolder, settings: LocalSettings) -> None:
        from cloudai_local.onnx.session import GraphSession

        self.name = folder.name
        self.manifest = _manifest(folder)
        self.letters = _letters(folder.path)
        self.sample_rate = self.manifest.sample_rate or _configured_rate(folder.path)
        self._session = GraphSession(read_model(folder.path), folder=folder.path, settings=settings)
        self._inputs = {port.name for port in self._session.inputs}
        fits = {"input_ids"} <= self._inputs <= {"input_ids", "attention_mask"}
        if not fits or "waveform" not in self._session.output_names:
            raise InvalidInput(
                f"{folder.path}: a {FAMILY} model maps input_ids (and attention_mask) to waveform; "
                f"this one maps {', '.join(sorted(self._inputs))} to {', '.join(self._session.output_names)}"
            )

    def speak(self, text: str) -> npt.NDArray[np.float32]:
        """One channel at `sample_rate`. Raises `InvalidInput` when it knows none of the letters."""
        import numpy as np

        ids = self.letters.encode(text)
        if not ids:
            known = "".join(sorted(letter for letter in self.letters.ids if len(letter) == 1))
            raise InvalidInput(f"{self.name} knows none of these letters; it knows {known}")
        batch = np.array([ids], dtype=np.int64)
        feed = {"input_ids": batch, "attention_mask": np.ones_like(batch)}
        waveform = self._session.run(["waveform"], {name: feed[name] for name in self._inputs})[0]
        return np.asarray(waveform, dtype=np.float32).reshape(-1)


class Synthesizer(Protocol):
    """Whoever speaks what no model folder does."""

    def missing(self) -> Missing | None: ...

    def synthesize(self, request: SynthesizeRequest, call: Call) -> SynthesizeResult: ...

    def voices(self, request: VoicesRequest, call: Call) -> VoicesResult: ...


class VitsEngine:
    """`speech.synthesize` by the user's own models; each folder is one voice.

    What they can't speak (another language or voice, SSML) goes to `otherwise`, unless this engine was named.
    """

    name = FAMILY

    def __init__(self, settings: LocalSettings, *, otherwise: Synthesizer) -> None:
        self._settings = settings
        self._otherwise = otherwise
        self._lock = threading.Lock()
        self._models: dict[str, VitsModel] = {}

    def missing(self) -> Missing | None:
        """A folder of the family, and ONNX Runtime; looks only."""
        if find_spec("onnxruntime") is None:
            return Missing(reason="onnxruntime is not installed", install=INSTALL)
        if not self._folders():
            line = f"cloudai local models add PATH (a folder whose model.toml has family = {FAMILY!r})"
            return Missing(reason=f"no model folder of the family {FAMILY}", install=line)
        return None

    def synthesize(self, request: SynthesizeRequest, call: Call) -> SynthesizeResult:
        """Plain text only. Raises `Unsupported` or `InvalidInput` for what neither this nor `otherwise` speaks."""
        try:
            folder = self._choice(request, call)
        except (Unsupported, InvalidInput):
            if self._is_named(call) or self._otherwise.missing() is not None:
                raise
            return self._otherwise.synthesize(request, call)
        return self._spoken(self._model(folder), request)

    def voices(self, request: VoicesRequest, call: Call) -> VoicesResult:
        """Each folder is a voice by its name; those of `otherwise` come after."""
        listed = [_voice(folder) for folder in self._folders()]
        wanted = request.language
        if wanted is not None:
            listed = [voice for voice in listed if any(covers(wanted, tag) for tag in voice.languages)]
        if not self._is_named(call) and self._otherwise.missing() is None:
            listed.extend(self._otherwise.voices(request, call).voices)
        return VoicesResult(voices=tuple(listed))

    def close(self) -> None:
        """Let the sessions go."""
        with self._lock:
            self._models.clear()

    def _is_named(self, call: Call) -> bool:
        named = call.options.engine if isinstance(call.options, LocalOptions) else None
        return (named or self._settings.engines.get("speech.synthesize")) == self.name

    def _folders(self) -> tuple[ModelFolder, ...]:
        folders = model_folders(self._settings, Task.SYNTHESIZE)
        return tuple(folder for folder in folders if folder.manifest.get("family") == FAMILY)

    def _choice(self, request: SynthesizeRequest, call: Call) -> ModelFolder:
        """By the call's voice or model, the settings' `serve`, the language; else the first."""
        if request.ssml:
            raise Unsupported(f"{FAMILY} reads plain text, not SSML; espeak-ng reads both ({espeak.INSTALL})")
        named = call.options.model if isinstance(call.options, LocalOptions) else None
        name = request.voice or named or self._settings.serve.get("speech.synthesize")
        folders = self._folders()
        if name is None and request.language is None:
            return folders[0]
        for folder in folders:
            if folder.name == name or (name is None and _speaks(folder, request.language)):
                return folder
        wanted = f"voice {name!r}" if name is not None else f"model that speaks {request.language!r}"
        raise InvalidInput(f"no {FAMILY} {wanted} here; there are: {', '.join(folder.name for folder in folders)}")

    def _model(self, folder: ModelFolder) -> VitsModel:
        with self._lock:
            if folder.name not in self._models:
                self._models[folder.name] = VitsModel(folder, self._settings)
            return self._models[folder.name]

    def _spoken(self, model: VitsModel, request: SynthesizeRequest) -> SynthesizeResult:
        sound = from_floats(model.speak(speakable(request.text)), model.sample_rate)
        audio, rate = encoded(sound, request.format, request.sample_rate)
        return SynthesizeResult(
            audio=audio,
            format=request.format,
            sample_rate=rate,
            duration=sound.seconds,
            voice=model.name,
            language=model.manifest.language and bcp47(model.manifest.language),
            usage=(Usage(meter="speech.synthesize", unit="character", quantity=Decimal(len(request.text))),),
            warnings=_ignored(request),
            model=model.name,
        )


def _manifest(folder: ModelFolder) -> VitsManifest:
    try:
        return VitsManifest.model_validate(folder.manifest)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"{folder.path / 'model.toml'}: {where}: {first['msg']}") from error


def _letters(folder: Path) -> LetterTable:
    ids = _json(folder, "vocab.json")
    config = _json(folder, "tokenizer_config.json") if (folder / "tokenizer_config.json").exists() else {}
    try:
        table = LetterTable.model_validate({**config, "ids": ids})
    except ValidationError as error:
        raise InvalidInput(
            f"{folder}: vocab.json or tokenizer_config.json is wrong: {error.errors()[0]['msg']}"
        ) from error
    if table.phonemize or table.is_uroman:
        need = "a phonemizer" if table.phonemize else "uroman"
        raise Unsupported(
            f"{folder.name} reads the output of {need}, not letters: {FAMILY} takes models that read letters"
        )
    return table


def _configured_rate(folder: Path) -> int:
    rate = _json(folder, "config.json").get("sampling_rate") if (folder / "config.json").exists() else None
    if not isinstance(rate, int):
        raise InvalidInput(f"{folder / 'model.toml'}: give the model's sample_rate, such as 16000")
    return rate


def _json(folder: Path, name: str) -> dict[str, object]:
    try:
        found = json.loads(contained_file(folder, name, limit=MAX_JSON_BYTES, hard_links=True).read_text("utf-8"))
    except ValueError as error:
        raise InvalidInput(f"{folder / name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"{folder / name} is not a JSON object")
    return found


def _speaks(folder: ModelFolder, language: str | None) -> bool:
    """By its first subtag: an accent is better than no voice."""
    own = folder.manifest.get("language")
    return isinstance(own, str) and language is not None and covers(language.split("-")[0], bcp47(own))


def _voice(folder: ModelFolder) -> Voice:
    language = folder.manifest.get("language")
    return Voice(
        id=folder.name,
        name=folder.name,
        languages=(bcp47(language),) if isinstance(language, str) else (),
        engine=FAMILY,
    )


def _ignored(request: SynthesizeRequest) -> tuple[Notice, ...]:
    asked = {
        "rate": request.rate != 1.0,
        "pitch": request.pitch != 0.0,
        "volume": request.volume != 1.0,
        "speech_marks": request.speech_marks,
    }
    said = [name for name, is_asked in asked.items() if is_asked]
    return (Notice(code="option_ignored", message=f"{FAMILY} has no {', '.join(said)}"),) if said else ()
