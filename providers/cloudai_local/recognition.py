"""Text from speech, here: a Whisper, Parakeet or other ONNX model of the user's by onnx-asr; pocketsphinx for grammars.

pocketsphinx hears nothing but what the caller lists (`grammar=`, or `phrases=` where there is no model). It is never
what free speech falls back to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cloudai.driver import Call
from cloudai.errors import ErrorCode, InvalidInput, ServiceError, Unsupported
from cloudai.types.results import Notice
from cloudai.types.speech import TranscribeRequest, TranscribeResult, TranscriptSegment, TranscriptWord
from cloudai_local.asr_model import MULTILINGUAL, AsrModel, Heard, read_manifest
from cloudai_local.asr_windows import RATE, Window, windows
from cloudai_local.engine import Missing
from cloudai_local.folders import ModelFolder, Task, find_model, model_folders
from cloudai_local.settings import LocalOptions, LocalSettings
from cloudai_local.sphinx_engine import PocketSphinxEngine
from cloudai_local.spoken import bcp47, covers
from cloudai_local.transcribing import GET_A_MODEL, OPERATION, packages, samples_of, unhonoured, usage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class OnnxAsrEngine:
    """`speech.transcribe` by a model folder with `task = "transcribe"`.

    A grammar is the whole language, which no such model keeps to: those calls go to pocketsphinx where it is
    installed, unless this engine was named.
    """

    name = "onnx-asr"

    def __init__(self, settings: LocalSettings, *, for_grammars: PocketSphinxEngine) -> None:
        self._settings = settings
        self._for_grammars = for_grammars
        self._lock = threading.Lock()
        self._models: dict[str, AsrModel] = {}

    def missing(self) -> Missing | None:
        """Packages, or a model folder; looks only."""
        gap = packages("onnx_asr", "onnxruntime", "soundfile", "soxr")
        if gap is None and not model_folders(self._settings, Task.TRANSCRIBE):
            return Missing(reason='no model folder with task = "transcribe"', install=GET_A_MODEL)
        return gap

    def transcribe(self, request: TranscribeRequest, call: Call) -> TranscribeResult:
        """Windows of thirty seconds, one after the other; `call.timeout` is looked at between them."""
        if request.grammar is not None and not self._is_named(call) and self._for_grammars.missing() is None:
            return self._for_grammars.transcribe(request, call)
        model = self._model(self._choice(request, call))
        language = request.language or (request.languages[0] if len(request.languages) == 1 else None)
        tracks = samples_of(request)
        deadline = time.monotonic() + call.timeout
        segments = sorted(
            (
                _segment(window, heard, language=language, channel=number if request.channels else None)
                for number, samples in enumerate(tracks)
                for window, heard in _heard(model, samples, language, deadline, call.timeout)
                if heard.text
            ),
            key=lambda segment: (segment.start or 0.0, segment.channel or 0),
        )
        multilingual = model.manifest.family in MULTILINGUAL
        own = model.manifest.language
        return TranscribeResult(
            text=" ".join(segment.text for segment in segments),
            language=bcp47(language) if language and multilingual else own and bcp47(own),
            duration=tracks.shape[1] / RATE,
            segments=tuple(segments),
            usage=usage(tracks),
            warnings=(*unhonoured(request), *_unhonoured_by(model, request, segments)),
            model=f"{model.name} ({model.manifest.family})",
        )

    def close(self) -> None:
        """Let the sessions go."""
        with self._lock:
            self._models.clear()

    def _is_named(self, call: Call) -> bool:
        named = call.options.engine if isinstance(call.options, LocalOptions) else None
        return (named or self._settings.engines.get(OPERATION)) == self.name

    def _choice(self, request: TranscribeRequest, call: Call) -> ModelFolder:
        """The folder that the call or the settings name, else the only one for the language."""
        named = call.options.model if isinstance(call.options, LocalOptions) else None
        name = named or self._settings.serve.get(OPERATION)
        if name is not None:
            return _of_task(find_model(self._settings, name))
        folders = model_folders(self._settings, Task.TRANSCRIBE)
        fitting = _fitting(folders, request.language)
        if not fitting:
            raise Unsupported(f"no model here hears {request.language!r}: {_names(folders)}; {GET_A_MODEL}")
        if len(fitting) > 1:
            raise InvalidInput(f'several could hear this: {_names(fitting)}. Set serve = {{"{OPERATION}" = "NAME"}}')
        return fitting[0]

    def _model(self, folder: ModelFolder) -> AsrModel:
        with self._lock:
            if folder.name not in self._models:
                self._models[folder.name] = AsrModel(folder, self._settings)
            return self._models[folder.name]


def engines(settings: LocalSettings) -> tuple[OnnxAsrEngine | PocketSphinxEngine, ...]:
    """The engines for `speech.transcribe`, the preferred first."""
    by_grammar = PocketSphinxEngine(settings)
    return (OnnxAsrEngine(settings, for_grammars=by_grammar), by_grammar)


def _heard(
    model: AsrModel, samples: npt.NDArray[np.float32], language: str | None, deadline: float, timeout: float
) -> Iterator[tuple[Window, Heard]]:
    for window in windows(samples):
        if window.start > 0 and time.monotonic() > deadline:
            raise ServiceError(
                f"heard {window.start:.0f} s of the audio in {timeout:g} s; give more time or divide it",
                code=ErrorCode.DEADLINE_EXCEEDED,
            )
        yield window, model.hear(window, language)


def _segment(window: Window, heard: Heard, *, language: str | None, channel: int | None) -> TranscriptSegment:
    """Words have the time at which they begin; the models do not say when they end."""
    return TranscriptSegment(
        text=heard.text,
        start=window.start,
        end=window.end,
        confidence=heard.confidence,
        channel=channel,
        language=language and bcp47(language),
        words=tuple(
            TranscriptWord(text=word.text, start=word.start, confidence=word.confidence, channel=channel)
            for word in heard.words
        ),
    )


def _unhonoured_by(
    model: AsrModel, request: TranscribeRequest, segments: Sequence[TranscriptSegment]
) -> Iterator[Notice]:
    family, own = model.manifest.family, model.manifest.language
    if request.grammar is not None:
        said = f"grammar: {model.name} hears any words; options={{'local': {{'engine': 'pocketsphinx'}}}} keeps to one"
        yield Notice(code="option_ignored", message=said)
    if request.phrases:
        yield Notice(code="option_ignored", message=f"phrases: {model.name} takes no hints")
    if request.word_timestamps and segments and not any(segment.words for segment in segments):
        yield Notice(code="option_ignored", message=f"word_timestamps: the family {family} gives no times of words")
    if not request.punctuation:
        yield Notice(code="option_ignored", message=f"punctuation: {model.name} writes as it was trained to")
    if request.language is not None and family not in MULTILINGUAL and own is None:
        said = f"language: the family {family} can't be told one; its model.toml does not say which it has"
        yield Notice(code="option_ignored", message=said)


def _of_task(folder: ModelFolder) -> ModelFolder:
    if folder.task is not Task.TRANSCRIBE:
        raise InvalidInput(
            f"{OPERATION} needs a model with task = 'transcribe'; {folder.name} has {folder.task.value!r}"
        )
    return folder


def _fitting(folders: Sequence[ModelFolder], language: str | None) -> list[ModelFolder]:
    """Those for the language. A broken folder is passed over while another fits, and refused where none does."""
    fitting: list[ModelFolder] = []
    broken: list[InvalidInput] = []
    for folder in folders:
        try:
            fitting += [folder] if _may_hear(folder, language) else []
        except InvalidInput as error:
            broken.append(error)
    if broken and not fitting:
        raise broken[0]
    return fitting


def _may_hear(folder: ModelFolder, language: str | None) -> bool:
    own = read_manifest(folder).language
    return own is None or language is None or covers(bcp47(own).split("-")[0], bcp47(language))


def _names(folders: Sequence[ModelFolder]) -> str:
    return ", ".join(folder.name for folder in folders)
