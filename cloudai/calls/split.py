"""Texts and lists that are too long for one request: cut into several, and the answers made into one.

A text is cut between sentences, a list between its items, and only where the provider declares a limit. Whatever
would mean something else in pieces is refused: SSML, HTML, a single sentence over the limit, audio that can't be
joined without encoding it again. Each part is a request of its own, so that a retry repeats only the part that failed
and nothing is paid for twice.

`max_characters` counts code points, `max_text_bytes` bytes of UTF-8; both, like `max_batch`, are of one request. A list
is grouped only where the provider declares `max_batch`: without it the driver packs lists itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from cloudai.calls.limits import check_text, utf8_size
from cloudai.errors import TooLarge
from cloudai.operations import TYPES
from cloudai.types.results import Model, Notice, Result, Usage

if TYPE_CHECKING:
    from cloudai.calls.sentences import Piece
    from cloudai.capabilities import Limits
    from cloudai.types.speech import SpeechMark, SynthesizeRequest, SynthesizeResult
    from cloudai.types.translation import (
        DetectLanguageRequest,
        DetectLanguageResult,
        TranslateRequest,
        TranslateResult,
        Translation,
    )
    from cloudai.types.vision import AnalyzeRequest

M = TypeVar("M", bound=Model)
R = TypeVar("R", bound=Result)

UNSPACED: Final = frozenset({"zh", "yue", "wuu", "lzh", "ja"})
"""Languages that put no space between sentences."""


class Declared(Protocol):
    """The part of a declared operation that is looked at."""

    @property
    def limits(self) -> Limits: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts(Generic[M]):
    """The requests to send one after the other; most often the one that was given."""

    requests: tuple[M, ...]
    join: Callable[[Sequence[Any]], Any] | None = None
    """Payload and usage of all answers, in order; `None`: there is one request and its answer is the answer."""
    notices: tuple[Notice, ...] = ()

    def joined(self, answers: Sequence[R]) -> R:
        """One answer from those to `requests`, in order. Warnings are said once; request ids are all there."""
        first = answers[0]
        made: R = first if self.join is None else self.join(answers)
        if len(answers) == 1:
            return made.filled(warnings=(*first.warnings, *self.notices)) if self.notices else made
        said = dict.fromkeys(notice for answer in answers for notice in answer.warnings)
        ids = [answer.request_id for answer in answers if answer.request_id]
        raws = [answer.raw for answer in answers]
        return made.filled(
            warnings=(*said, *self.notices),
            request_id=", ".join(ids) or None,
            raw=None if all(raw is None for raw in raws) else raws,
        )


def parts(operation: str, request: M, declared: Declared, *, whose: str) -> Parts[M]:
    """What to send for `request` at a backend (named `whose`) with these limits.

    Raises `TooLarge` where splitting would change the meaning, `InvalidInput` for text that is no valid Unicode.
    """
    splitter = _SPLITTERS.get(operation)
    if splitter is None:
        return Parts(requests=(request,))
    texts, limits = _texts(operation, request), declared.limits
    if len(texts) == 1 and _short(texts[0], limits):
        return Parts(requests=(request,))
    sizes = [_Size.of(text) for text in texts]
    if _one_request(sizes, limits):
        return Parts(requests=(request,))
    found: Parts[M] = splitter(request, sizes, limits, whose)
    return found


def _texts(operation: str, request: Model) -> tuple[str, ...]:
    name = TYPES[operation].text
    assert name is not None  # only operations with texts have a splitter
    given: str | tuple[str, ...] = getattr(request, name)
    return (given,) if isinstance(given, str) else given


def _short(text: str, limits: Limits) -> bool:
    """What most calls are: one text within the limits."""
    size = utf8_size(text)
    most, bytes_at_most = limits.max_characters, limits.max_text_bytes
    return (most is None or len(text) <= most) and (bytes_at_most is None or size <= bytes_at_most)


@dataclass(frozen=True, slots=True)
class _Size:
    """Of one text or of several together."""

    characters: int
    utf8: int

    @classmethod
    def of(cls, text: str) -> _Size:
        return cls(len(text), utf8_size(text))

    def with_(self, other: _Size) -> _Size:
        return _Size(self.characters + other.characters, self.utf8 + other.utf8)

    def within(self, limits: Limits) -> bool:
        return (limits.max_characters is None or self.characters <= limits.max_characters) and (
            limits.max_text_bytes is None or self.utf8 <= limits.max_text_bytes
        )


def _one_request(sizes: Sequence[_Size], limits: Limits) -> bool:
    if not all(size.within(limits) for size in sizes):
        return False
    return limits.max_batch is None or next(_groups(sizes, limits), len(sizes)) == len(sizes)


def _groups(sizes: Sequence[_Size], limits: Limits) -> Iterator[int]:
    """Where the groups end: as few as the limits of one request allow, each item whole and in order."""
    count, total = 0, _Size(0, 0)
    for index, size in enumerate(sizes):
        more = total.with_(size)
        if count and (count == limits.max_batch or (limits.max_batch is not None and not more.within(limits))):
            yield index
            count, more = 0, size
        count, total = count + 1, more
    if sizes:
        yield len(sizes)


def _runs(ends: Iterator[int]) -> Iterator[slice]:
    start = 0
    for end in ends:
        yield slice(start, end)
        start = end


def _usage(answers: Sequence[Result], operation: str) -> tuple[Usage, ...]:
    """The operation's own meter summed; other meters stay apart. What it cost is the sum of what each request cost."""
    if len(answers) == 1:
        return answers[0].usage
    summed: dict[tuple[object, ...], Usage] = {}
    apart: list[Usage] = []
    for used in (used for answer in answers for used in answer.usage):
        if used.meter != operation:
            apart.append(used)
            continue
        key = (used.unit, used.features, used.variant)
        before = summed.get(key)
        summed[key] = used if before is None else used.model_copy(update={"quantity": before.quantity + used.quantity})
    return (*summed.values(), *apart)


def _said(count: int, whose: str) -> Notice:
    many = "1 request" if count == 1 else f"{count} requests"
    return Notice(code="split", message=f"the text was too long for one request: {whose} was sent {many}")


def images(request: AnalyzeRequest, limits: Limits) -> Parts[AnalyzeRequest]:
    """Images in as few requests as `max_batch` and `max_bytes` (of all together) allow; each is a request's at most.

    Without `max_batch` they are left to the driver. Answers are one sequence for each request.
    """
    from cloudai.capabilities import Limits

    if limits.max_batch is None:
        return Parts(requests=(request,))
    sizes = [_Size(0, image.size or 0) for image in request.images]
    together = Limits(max_batch=limits.max_batch, max_text_bytes=limits.max_bytes)
    runs = _runs(_groups(sizes, together))
    return Parts(requests=tuple(request.model_copy(update={"images": request.images[run]}) for run in runs))


# --- translate -----------------------------------------------------------------------------------------


def _translate(
    request: TranslateRequest, sizes: Sequence[_Size], limits: Limits, whose: str
) -> Parts[TranslateRequest]:
    pieces = [_cut(text, size, request, limits, whose) for text, size in zip(request.texts, sizes, strict=True)]
    flat = [piece.text for each in pieces for piece in each]
    runs = list(_runs(_groups([_Size.of(text) for text in flat], limits)))
    cut = any(not size.within(limits) for size in sizes)
    return Parts(
        requests=tuple(request.model_copy(update={"texts": tuple(flat[run])}) for run in runs),
        join=partial(_translated, request, pieces),
        notices=(_said(len(runs), whose),) if cut else (),
    )


def _cut(text: str, size: _Size, request: TranslateRequest, limits: Limits, whose: str) -> Sequence[Piece]:
    from cloudai.calls.sentences import Piece, pieces
    from cloudai.types.translation import TextFormat

    if size.within(limits):
        return (Piece(text=text),)
    if request.format is TextFormat.HTML:
        check_text(text, limits=limits, whose=whose, what="the HTML")
    return pieces(text, limits=limits, whose=whose)


def _translated(
    request: TranslateRequest, pieces: Sequence[Sequence[Piece]], answers: Sequence[TranslateResult]
) -> TranslateResult:
    found = iter([each for answer in answers for each in answer.translations])
    whole = tuple(_whole([(piece, next(found)) for piece in each], request.target) for each in pieces)
    return answers[0].filled(translations=whole, usage=_usage(answers, "translation.translate"))


def _whole(told: Sequence[tuple[Piece, Translation]], target: str) -> Translation:
    """One text's translation. The language is that of most of the text, the confidence the mean by length."""
    first = told[0][1]
    if len(told) == 1 and not told[0][0].before and not told[0][0].after:
        return first
    text = "".join(_between(piece, number, target) + each.text for number, (piece, each) in enumerate(told))
    share: dict[str, int] = {}
    for piece, each in told:
        share[each.source] = share.get(each.source, 0) + len(piece.text)
    known = [(each.confidence, len(piece.text)) for piece, each in told if each.confidence is not None]
    weight = sum(length for _, length in known)
    return first.model_copy(
        update={
            "text": text + told[-1][0].after,
            "source": max(share, key=lambda language: share[language]),
            "confidence": sum(value * length for value, length in known) / weight if weight else None,
            "glossary_used": any(each.glossary_used for _, each in told),
        }
    )


def _between(piece: Piece, number: int, target: str) -> str:
    """The white space before a piece, as the target is written: Chinese puts none between sentences, English does."""
    unspaced = target.partition("-")[0].lower() in UNSPACED
    if number and not piece.before and not unspaced:
        return " "
    return "" if number and unspaced and piece.before == " " else piece.before


# --- which language ------------------------------------------------------------------------------------


def _detect(
    request: DetectLanguageRequest, sizes: Sequence[_Size], limits: Limits, whose: str
) -> Parts[DetectLanguageRequest]:
    """The beginning of a text tells its language as well as the whole: only that is sent, and paid for."""
    from cloudai.calls.sentences import beginning

    pairs = zip(request.texts, sizes, strict=True)
    texts = [text if size.within(limits) else beginning(text, limits=limits) for text, size in pairs]
    cut = sum(not size.within(limits) for size in sizes)
    runs = list(_runs(_groups([_Size.of(text) for text in texts], limits)))
    text = f"{cut} of {len(texts)} texts too long for {whose}: the language is that of what they begin with"
    notice = Notice(code="truncated", message=text)
    return Parts(
        requests=tuple(request.model_copy(update={"texts": tuple(texts[run])}) for run in runs),
        join=_detected,
        notices=(notice,) if cut else (),
    )


def _detected(answers: Sequence[DetectLanguageResult]) -> DetectLanguageResult:
    return answers[0].filled(
        detections=tuple(each for answer in answers for each in answer.detections),
        usage=_usage(answers, "translation.detect_language"),
    )


# --- speech ----------------------------------------------------------------------------------------------


def _synthesize(
    request: SynthesizeRequest, sizes: Sequence[_Size], limits: Limits, whose: str
) -> Parts[SynthesizeRequest]:
    from cloudai.calls.joined_audio import JOINED
    from cloudai.calls.sentences import pieces

    if request.ssml:
        check_text(request.text, limits=limits, whose=whose, what="the SSML")
    if request.format not in JOINED:
        try:
            check_text(request.text, limits=limits, whose=whose)
        except TooLarge as error:
            others = ", ".join(sorted(JOINED))
            error.message += f"\n{request.format} can't be joined without encoding it again: {others} can."
            raise
    found = pieces(request.text, limits=limits, whose=whose)
    return Parts(
        requests=tuple(request.model_copy(update={"text": piece.text}) for piece in found),
        join=partial(_spoken, found),
        notices=(_said(len(found), whose),),
    )


def _spoken(pieces: Sequence[Piece], answers: Sequence[SynthesizeResult]) -> SynthesizeResult:
    """Marks after a part of unknown length (raw samples at a rate that nobody told) are left out."""
    from cloudai.calls.joined_audio import joined_audio

    audio, lengths = joined_audio(answers)
    marks: list[SpeechMark] = []
    start = 0.0
    for piece, answer, length in zip(pieces, answers, lengths, strict=True):
        marks += [_later(mark, start, piece.start) for mark in answer.marks]
        if length is None:
            break
        start += length
    return answers[0].filled(
        audio=audio,
        duration=None if None in lengths else start,
        marks=tuple(marks),
        usage=_usage(answers, "speech.synthesize"),
    )


def _later(mark: SpeechMark, seconds: float, characters: int) -> SpeechMark:
    offset = None if mark.offset is None else mark.offset + characters
    return mark.model_copy(update={"start": mark.start + seconds, "offset": offset})


_SPLITTERS: Final[dict[str, Callable[..., Parts[Any]]]] = {
    "translation.translate": _translate,
    "translation.detect_language": _detect,
    "speech.synthesize": _synthesize,
}
