"""A recogniser from the user's folder, by onnx-asr: which files it may open, and what it makes of one window.

    whisper-base/model.toml     task = "transcribe"
                                family = "whisper"          # one of FAMILIES
                                quantization = "int8"       # optional: encoder_model_int8.onnx, ...
                                language = "en"             # optional: the one language of the model
    whisper-base/   encoder_model.onnx, decoder_model_merged.onnx, vocab.json, added_tokens.json, config.json
    parakeet/       encoder-model.onnx, decoder_joint-model.onnx, vocab.txt, config.json

onnx-asr is told the type and the folder, so that it never asks a hub.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from cloudai.errors import CloudAIError, InvalidInput, Unsupported
from cloudai_local.asr_windows import RATE, Window
from cloudai_local.folders import ModelFolder, Task
from cloudai_local.onnx import execution
from cloudai_local.onnx.graph_scan import scan
from cloudai_local.onnx.safety import MAX_EXTERNAL_BYTES, contained_file
from cloudai_local.settings import LocalSettings

if TYPE_CHECKING:
    from onnx_asr.adapters import TimestampedResultsAsrAdapter
    from onnx_asr.asr import TimestampedResult

Family = Literal[
    "whisper",
    "whisper-ort",
    "nemo-conformer-ctc",
    "nemo-conformer-rnnt",
    "nemo-conformer-tdt",
    "nemo-conformer-aed",
    "gigaam-v2-ctc",
    "gigaam-v2-rnnt",
    "gigaam-v3-ctc",
    "gigaam-v3-rnnt",
    "kaldi-rnnt",
    "t-one-ctc",
    "vosk",
]
FAMILIES: tuple[str, ...] = get_args(Family)
"""Types of onnx-asr, whose documentation says how each is exported (https://istupakov.github.io/onnx-asr)."""
MULTILINGUAL = frozenset({"whisper", "whisper-ort", "nemo-conformer-aed"})
"""Families that are told a language."""

SHORTEST = RATE // 10
"""Samples; less is filled up with silence."""

_WHISPER_CODES = {"jv": "jw", "nb": "no", "fil": "tl", "cmn": "zh", "iw": "he", "in": "id"}
"""Where Whisper's name of a language is not BCP 47's (openai/whisper, tokenizer.py, `LANGUAGES`)."""


class AsrManifest(BaseModel):
    """This task's part of `model.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: Task
    family: Family
    quantization: str | None = None
    language: str | None = None
    description: str = ""
    license: str | None = None
    source: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class HeardWord:
    """`start` is in seconds from the start of the audio."""

    text: str
    start: float
    confidence: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What was heard in one window. `words` are empty where the model gives no times, as Whisper's ONNX form."""

    text: str
    words: tuple[HeardWord, ...]
    confidence: float | None


def read_manifest(folder: ModelFolder) -> AsrManifest:
    """Raises `InvalidInput` that names the file and the key."""
    try:
        return AsrManifest.model_validate(folder.manifest)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"{folder.path / 'model.toml'}: {where}: {first['msg']}") from error


class AsrModel:
    """One folder, loaded. Its sessions may be run by many threads at once."""

    def __init__(self, folder: ModelFolder, settings: LocalSettings) -> None:
        self.name = folder.name
        self.manifest = read_manifest(folder)
        self._adapter = _load(folder.path, self.manifest, settings)

    def hear(self, window: Window, language: str | None) -> Heard:
        """One window. Raises `Unsupported` for a language that the model has no name for."""
        import numpy as np

        told = language is not None and self.manifest.family in MULTILINGUAL
        code = _code(language, self.manifest.family) if language is not None and told else None
        samples = np.pad(window.samples, (0, max(0, SHORTEST - len(window.samples))))
        try:
            result = self._adapter.recognize(samples, sample_rate=RATE, language=code)
        except KeyError as error:
            raise Unsupported(f"{self.name} has no language {language!r}") from error
        words = tuple(_words(result, window.start))
        logprobs = [float(value) for value in result.logprobs or ()]
        return Heard(text=result.text.strip(), words=words, confidence=_likelihood(logprobs))


def _code(language: str, family: str) -> str:
    code = language.replace("_", "-").split("-")[0].lower()
    return _WHISPER_CODES.get(code, code) if family.startswith("whisper") else code


def _load(folder: Path, manifest: AsrManifest, settings: LocalSettings) -> TimestampedResultsAsrAdapter:
    import onnx_asr
    from onnx_asr.utils import ModelLoadingError

    try:
        _check_files(folder, manifest)
        return onnx_asr.load_model(
            manifest.family,
            folder,
            quantization=manifest.quantization,
            sess_options=_session_options(settings),
            providers=_providers(settings),
        ).with_timestamps()
    except CloudAIError:
        raise
    except ModelLoadingError as error:
        raise InvalidInput(f"{folder}: {error} (family = {manifest.family!r})") from error
    except Exception as error:
        said = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise InvalidInput(f"{folder}: can't be loaded as {manifest.family!r}: {said}") from error


def _providers(settings: LocalSettings) -> list[tuple[str, dict[str, str]]]:
    import onnxruntime

    names = execution.wanted(settings, onnxruntime.get_available_providers())
    if names[0] in execution.ON_NVIDIA:
        execution.find_cuda_libraries()
    return [(name, dict(settings.provider_options.get(name, {}))) for name in names]


def _session_options(settings: LocalSettings) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if settings.threads is not None:
        options.intra_op_num_threads = settings.threads
    return options


def _check_files(folder: Path, manifest: AsrManifest) -> None:
    """Everything that will be opened lies in the folder, external data of the graphs too."""
    from onnx_asr.loader import create_asr_resolver

    files = create_asr_resolver(manifest.family, folder, offline=True).resolve_model(quantization=manifest.quantization)
    for file in files.values():
        inside = contained_file(folder, str(file.relative_to(folder)), limit=MAX_EXTERNAL_BYTES, hard_links=True)
        if inside.suffix != ".onnx":
            continue
        try:
            found = scan(inside.read_bytes())
        except InvalidInput as error:
            raise InvalidInput(f"{file} is not an ONNX model: {error.message}") from error
        for location in found.locations:
            contained_file(inside.parent, location.decode("utf-8", errors="replace"), limit=MAX_EXTERNAL_BYTES)


def _words(result: TimestampedResult, offset: float) -> Iterator[HeardWord]:
    """Tokens up to the next that begins with a space are a word; it starts when its first token is emitted."""
    if not result.tokens or not result.timestamps:
        return
    logprobs = result.logprobs or [math.nan] * len(result.tokens)
    starts = [place for place, token in enumerate(result.tokens) if place == 0 or token.startswith(" ")]
    for place, end in zip(starts, [*starts[1:], len(result.tokens)], strict=True):
        text = "".join(result.tokens[place:end]).strip()
        if text:
            confidence = _likelihood(logprobs[place:end])
            yield HeardWord(text=text, start=offset + result.timestamps[place], confidence=confidence)


def _likelihood(logprobs: list[float]) -> float | None:
    """The geometric mean of the tokens' probabilities."""
    if not logprobs or any(math.isnan(value) for value in logprobs):
        return None
    return min(max(math.exp(sum(logprobs) / len(logprobs)), 0.0), 1.0)
