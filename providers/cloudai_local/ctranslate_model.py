"""A CTranslate2 model folder: its `model.toml`, and the model with its tokenizer once loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloudai.errors import InvalidInput
from cloudai.languages import best_match, matches, normalise
from cloudai_local.folders import ModelFolder, Task, model_folders
from cloudai_local.settings import LocalSettings

if TYPE_CHECKING:
    from ctranslate2 import Translator
    from sentencepiece import SentencePieceProcessor

SENTENCE_TOKENS = 200
"""Longer sentences are cut: such models are trained on up to some 500 tokens and get lost in long ones."""
LONGEST_ANSWER = 2
"""Tokens of an answer, in `max_tokens`: a model that repeats itself has to stop. The same for every sentence, so
that a translation does not depend on what else is translated with it."""
LEAST_KNOWN = 0.5
"""Of the tokenizer's pieces must be in the model's vocabulary; a tokenizer of another model knows a few."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tokenizer(_Strict):
    """SentencePiece files in the folder; `target` where it is another one."""

    source: str
    target: str | None = None


class Tokens(_Strict):
    """What goes around the pieces. `{source}` and `{target}` stand for the model's codes of the languages."""

    source_prefix: tuple[str, ...] = ()
    source_suffix: tuple[str, ...] = ()
    target_prefix: tuple[str, ...] = ()


class TranslateManifest(_Strict):
    """`model.toml` with `task = "translate"`: `source` and `target`, or `codes` of all languages, or all three."""

    task: Literal["translate"]
    source: str | tuple[str, ...] = ()
    target: str | tuple[str, ...] = ()
    codes: Mapping[str, str] = Field(default_factory=dict)
    tokenizer: Tokenizer
    tokens: Tokens = Tokens()
    beam_size: int = Field(default=2, ge=1, le=32)
    compute_type: str = "default"
    max_tokens: int = Field(default=SENTENCE_TOKENS, ge=8)
    description: str = ""
    license: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Direction:
    """From and to, in the model's own codes."""

    source: str
    target: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One sentence. `cut`: the model did not come to its end."""

    text: str
    cut: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationFolder:
    """A folder whose `model.toml` is sound; nothing is loaded."""

    name: str
    path: Path
    manifest: TranslateManifest
    sources: Mapping[str, str]
    """BCP 47 -> the model's code."""
    targets: Mapping[str, str]

    @classmethod
    def read(cls, folder: ModelFolder) -> TranslationFolder:
        """Raises `InvalidInput` naming the key that is wrong."""
        try:
            manifest = TranslateManifest.model_validate(folder.manifest)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(f"{folder.path / 'model.toml'}: {key}: {first['msg']}") from None
        sources, targets = (_coded(tags, manifest.codes) for tags in (manifest.source, manifest.target))
        if not sources or not targets:
            raise InvalidInput(f"{folder.path / 'model.toml'}: give source and target, or codes")
        return cls(name=folder.name, path=folder.path, manifest=manifest, sources=sources, targets=targets)

    def direction(self, source: str, target: str) -> Direction | None:
        """`None` when the model does not have that pair."""
        there = best_match(target, self.targets)
        here = next((tag for tag in (best_match(source, self.sources),) if tag), None)
        if here is None or there is None or matches(here, there):
            return None
        return Direction(source=self.sources[here], target=self.targets[there])

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Source and target, BCP 47."""
        return ((one, two) for one in self.sources for two in self.targets if one != two)

    def summary(self) -> str:
        """`opus-en-es (en -> es)`."""
        many = len(self.sources) * len(self.targets) > 1
        pairs = f"{len(self.sources)} languages" if many else " -> ".join((*self.sources, *self.targets))
        return f"{self.name} ({pairs})"

    def file(self, name: str) -> Path:
        """A file of the folder. Raises `InvalidInput` when it is not there or lies outside."""
        path = self.path / name
        if not path.is_file():
            raise InvalidInput(f"{path} is missing")
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise InvalidInput(f"{path} lies outside its model folder")
        return path


@dataclass(frozen=True, kw_only=True, slots=True)
class TranslationModel:
    """A loaded folder. Safe to use from many threads at once."""

    folder: TranslationFolder
    translator: Translator
    source_pieces: SentencePieceProcessor
    target_pieces: SentencePieceProcessor

    @classmethod
    def load(cls, folder: TranslationFolder, settings: LocalSettings) -> TranslationModel:
        """On CUDA where it is there, unless `execution_providers` says otherwise. Raises `InvalidInput`."""
        names = folder.manifest.tokenizer
        source = _pieces(folder.file(names.source))
        target = _pieces(folder.file(names.target)) if names.target else source
        model = cls(folder=folder, translator=_translator(folder, settings), source_pieces=source, target_pieces=target)
        for side, pieces in (("source", source), ("target", target)):
            _require_fit(folder, side, pieces)
        return model

    @property
    def device(self) -> str:
        """`cpu` or `cuda`."""
        return str(self.translator.device)

    def fits(self, text: str) -> bool:
        """Whether a sentence is within the model's length."""
        return len(self.source_pieces.encode(text)) <= self.folder.manifest.max_tokens

    def translate(self, sentences: Sequence[str], direction: Direction) -> list[Answer]:
        """In order. An empty sentence has an empty answer."""
        full = [index for index, sentence in enumerate(sentences) if sentence.strip()]
        answers = [Answer(text=sentence, cut=False) for sentence in sentences]
        for index, answer in zip(full, self._answers([sentences[index] for index in full], direction), strict=True):
            answers[index] = answer
        return answers

    def close(self) -> None:
        """Free the weights; a call that runs gets done first."""
        self.translator.unload_model()

    def _answers(self, sentences: Sequence[str], direction: Direction) -> list[Answer]:
        if not sentences:
            return []
        tokens = self.folder.manifest.tokens
        start, end, prefix = (
            _filled(part, direction) for part in (tokens.source_prefix, tokens.source_suffix, tokens.target_prefix)
        )
        encoded = [[*start, *self.source_pieces.encode(sentence, out_type=str), *end] for sentence in sentences]
        longest = LONGEST_ANSWER * self.folder.manifest.max_tokens
        results = self.translator.translate_batch(
            encoded,
            target_prefix=[prefix] * len(encoded) if prefix else None,
            beam_size=self.folder.manifest.beam_size,
            max_input_length=0,
            max_decoding_length=longest,
        )
        return [self._answer(result.hypotheses[0], len(prefix), longest) for result in results]

    def _answer(self, tokens: list[str], prefix: int, longest: int) -> Answer:
        return Answer(text=self.target_pieces.decode(tokens[prefix:]), cut=len(tokens) >= longest)


def read_folders(settings: LocalSettings) -> tuple[TranslationFolder, ...]:
    """All translation models, the backend's own folder first.

    A broken one is passed over while another is sound; where none is, raises `InvalidInput` with what is wrong.
    """
    sound: list[TranslationFolder] = []
    broken: list[InvalidInput] = []
    for folder in model_folders(settings, Task.TRANSLATE):
        try:
            sound.append(TranslationFolder.read(folder))
        except InvalidInput as error:
            broken.append(error)
    if broken and not sound:
        raise broken[0]
    return tuple(sound)


def named_folder(settings: LocalSettings, name: str) -> TranslationFolder | None:
    """`None`: there is none of that name. Raises `InvalidInput` for a broken one."""
    found = (folder for folder in model_folders(settings, Task.TRANSLATE) if folder.name == name)
    return next((TranslationFolder.read(folder) for folder in found), None)


def _coded(tags: str | tuple[str, ...], codes: Mapping[str, str]) -> dict[str, str]:
    chosen = (tags,) if isinstance(tags, str) else tags or tuple(codes)
    return {normalise(tag): codes.get(tag, tag) for tag in chosen}


def _filled(tokens: Sequence[str], direction: Direction) -> list[str]:
    return [token.replace("{source}", direction.source).replace("{target}", direction.target) for token in tokens]


def _translator(folder: TranslationFolder, settings: LocalSettings) -> Translator:
    import ctranslate2

    folder.file("model.bin")
    try:
        return ctranslate2.Translator(
            str(folder.path),
            device=_device(settings),
            compute_type=folder.manifest.compute_type,
            intra_threads=settings.threads or 0,
        )
    except (RuntimeError, ValueError) as error:
        said = (str(error).strip().splitlines() or ["unknown"])[0]
        raise InvalidInput(f"{folder.path}: CTranslate2 can't load it: {said}") from error


def _device(settings: LocalSettings) -> str:
    wanted = settings.execution_providers[:1]
    if not wanted:
        return "auto"
    return "cuda" if wanted[0] == "CUDAExecutionProvider" else "cpu"


def _pieces(path: Path) -> SentencePieceProcessor:
    from sentencepiece import SentencePieceProcessor

    try:
        return SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError) as error:
        raise InvalidInput(f"{path} is no SentencePiece model") from error


def _require_fit(folder: TranslationFolder, side: str, pieces: SentencePieceProcessor) -> None:
    vocabulary = _vocabulary(folder.path, side)
    size = pieces.get_piece_size()
    known = sum(pieces.id_to_piece(index) in vocabulary for index in range(size))
    if vocabulary and known < LEAST_KNOWN * size:
        raise InvalidInput(
            f"{folder.path}: the {side} tokenizer is of another model: "
            f"the model's vocabulary of {len(vocabulary)} has {known} of its {size} pieces"
        )


def _vocabulary(path: Path, side: str) -> frozenset[str]:
    """The tokens of a side. Empty when the folder has them in a form that is not known."""
    import json

    for name in (f"{side}_vocabulary", "shared_vocabulary"):
        if (path / f"{name}.json").is_file():
            return frozenset(json.loads((path / f"{name}.json").read_text(encoding="utf-8")))
        if (path / f"{name}.txt").is_file():
            return frozenset((path / f"{name}.txt").read_text(encoding="utf-8").split("\n"))
    return frozenset()
