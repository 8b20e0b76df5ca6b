"""Translation by a CTranslate2 model from the user's folder (MIT), with its SentencePiece tokenizer (Apache-2.0).

    opus-en-es/model.toml       task = "translate"
                                source = "en"
                                target = "es"
                                tokenizer = { source = "source.spm", target = "target.spm" }
                                tokens = { source_suffix = ["</s>"] }
    opus-en-es/model.bin, config.json, source_vocabulary.json, ...

A model of many languages names them by its own codes and puts them into its tokens:

    [codes]
    en = "eng_Latn"
    de = "deu_Latn"
    [tokens]
    source_prefix = ["{source}"]
    source_suffix = ["</s>"]
    target_prefix = ["{target}"]

Plain text only. Texts are translated sentence by sentence.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice

from cloudai.driver import Call
from cloudai.errors import ErrorCode, InvalidInput, MissingDependency, ServiceError, Unsupported
from cloudai.languages import normalise
from cloudai.types.results import Notice
from cloudai.types.translation import LanguagesRequest, LanguagesResult, TextFormat, TranslateRequest, TranslateResult
from cloudai_local.ctranslate_model import TranslationFolder, TranslationModel, named_folder, read_folders
from cloudai_local.engine import Missing
from cloudai_local.folders import search_path
from cloudai_local.sentences import pieces
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

INSTALL = "pip install 'cloudai[local-translate]'"
OPERATION = "translation.translate"
BATCH = 64
"""Sentences at a time; the deadline is looked at between."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sentence:
    """A piece of the text at `place`, with the white space before it."""

    place: int
    text: str
    before: str


class CTranslate2:
    """`translation.translate` and `translation.languages` by model folders with `task = "translate"`."""

    name = "ctranslate2"

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings
        self._sources = SourceLanguages(settings)
        self._lock = threading.Lock()
        self._models: dict[str, TranslationModel] = {}

    def missing(self) -> Missing | None:
        """The packages, or a model folder; looks only."""
        absent = [module for module in ("ctranslate2", "sentencepiece") if find_spec(module) is None]
        if absent:
            return Missing(reason=f"{' and '.join(absent)} not installed", install=INSTALL)
        try:
            found = read_folders(self._settings)
        except InvalidInput as error:
            return Missing(reason=error.message, install="mend it, or: cloudai local models remove NAME")
        if not found:
            places = " or ".join(str(root) for root in search_path(self._settings))
            line = 'cloudai local models add PATH (a CTranslate2 folder with model.toml, task = "translate")'
            return Missing(reason=f"no translation model in {places}", install=line)
        return None

    def translate(self, request: TranslateRequest, call: Call) -> TranslateResult:
        """Raises `Unsupported` for HTML and for a pair that no folder has, `InvalidInput` for a broken folder."""
        if request.format is TextFormat.HTML:
            raise Unsupported("CTranslate2 models take plain text; Apertium keeps HTML (engine = 'apertium')")
        deadline = time.monotonic() + call.timeout
        sources = self._sources.of(request, call)
        texts: dict[int, str] = {}
        used: dict[str, TranslationModel] = {}
        cut = 0
        for language, places in by_language(sources).items():
            folder = self._folder(language, request, call, guess_note(sources, language))
            model = used[folder.name] = self._model(folder)
            chosen = {place: request.texts[place] for place in places}
            said, shortened = _translated(model, chosen, language, request.target, deadline)
            texts |= said
            cut += shortened
        return TranslateResult(
            translations=arranged(request, sources, texts),
            target=normalise(request.target),
            usage=characters(request),
            warnings=(*ignored(request, "CTranslate2"), *_cut_notice(cut)),
            model=", ".join(f"{name} ({model.device})" for name, model in used.items()) or None,
        )

    def languages(self, request: LanguagesRequest, call: Call) -> LanguagesResult:
        """The pairs of all folders."""
        found = [pair for folder in read_folders(self._settings) for pair in folder.pairs()]
        return LanguagesResult(languages=listed(found, request.display_language), model="ctranslate2")

    def close(self) -> None:
        """Let the models go."""
        with self._lock:
            models, self._models = self._models, {}
        for model in models.values():
            model.close()
        self._sources.close()

    def _folder(self, source: str, request: TranslateRequest, call: Call, guessed: str) -> TranslationFolder:
        named = call.options.model if isinstance(call.options, LocalOptions) else None
        name = request.model or named or self._settings.serve.get(OPERATION)
        folders = read_folders(self._settings) if name is None else (self._named(name),)
        for folder in folders:
            if folder.direction(source, request.target):
                return folder
        there = ", ".join(folder.summary() for folder in folders) or "none"
        raise MissingDependency(
            f"no model for {source} -> {normalise(request.target)}{guessed}; there are: {there}",
            install="cloudai local models add PATH (a CTranslate2 folder for that pair)",
        )

    def _named(self, name: str) -> TranslationFolder:
        found = named_folder(self._settings, name)
        if found is not None:
            return found
        there = ", ".join(folder.name for folder in read_folders(self._settings)) or "none"
        raise InvalidInput(f"no translation model {name!r}; there are: {there}", code=ErrorCode.NOT_FOUND)

    def _model(self, folder: TranslationFolder) -> TranslationModel:
        with self._lock:
            if folder.name not in self._models:
                self._models[folder.name] = TranslationModel.load(folder, self._settings)
            return self._models[folder.name]


def _translated(
    model: TranslationModel, texts: dict[int, str], source: str, target: str, deadline: float
) -> tuple[dict[int, str], int]:
    """Place -> translation, and how many sentences were cut off at the model's limit."""
    direction = model.folder.direction(source, target)
    if direction is None:
        raise Unsupported(f"{model.folder.name} has no {source} -> {target}")
    said: dict[int, list[str]] = {place: [] for place in texts}
    cut = 0
    for batch in _batches(_sentences(model, texts)):
        if time.monotonic() > deadline:
            raise ServiceError("the time is over; give more, or fewer texts", code=ErrorCode.DEADLINE_EXCEEDED)
        answers = model.translate([sentence.text for sentence in batch], direction)
        for sentence, answer in zip(batch, answers, strict=True):
            said[sentence.place] += [sentence.before, answer.text]
            cut += answer.cut
    return {place: "".join(parts) for place, parts in said.items()}, cut


def _sentences(model: TranslationModel, texts: dict[int, str]) -> Iterator[_Sentence]:
    for place, text in texts.items():
        for piece in pieces(text, fits=model.fits):
            yield _Sentence(place=place, text=piece.text, before=piece.before)


def _batches(sentences: Iterator[_Sentence]) -> Iterator[Sequence[_Sentence]]:
    while batch := list(islice(sentences, BATCH)):
        yield batch


def _cut_notice(cut: int) -> list[Notice]:
    if not cut:
        return []
    return [Notice(code="truncated", message=f"the model did not come to an end in {cut} sentences: they were cut off")]
