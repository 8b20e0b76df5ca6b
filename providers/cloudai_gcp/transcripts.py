"""Speech-to-Text's results as segments: durations to seconds, speaker tags to `speaker 1`, channels from 0.

v1 repeats every word of the audio, with speakers, in the last result when diarization is on; those words take the
place of the results' own. A confidence of 0.0 means that none was set (cloud_speech.proto).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from cloudai.types import speech as s
from cloudai.wirejson import JsonNode
from cloudai_gcp.values import from_google, seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    """What was heard."""

    text: str
    segments: tuple[s.TranscriptSegment, ...]
    language: str | None


def segments_of(node: JsonNode, request: s.TranscribeRequest, *, by_key: bool) -> Answered:
    """Segments in the order of the answer; by speaker where speakers were asked for."""
    results = [each for each in node.items("results") if each.items("alternatives")]
    names = _Speakers()
    if by_key and request.diarization and results and _labelled(results[-1]):
        read = results[:-1] or results
        text = _joined(each.items("alternatives")[0].text("transcript") for each in read)
        words = _words(results[-1], names)
        segments = tuple(_runs(words, language=_language(results[-1])))
    else:
        found = [segment for each in results for segment in _segments(each, request, names)]
        segments = tuple(segment for segment in found if segment.text)
        text = _joined(each.items("alternatives")[0].text("transcript") for each in results)
    languages = [tag for each in results if (tag := _language(each)) is not None]
    return Answered(text=text, segments=segments, language=max(languages, key=languages.count, default=None))


class _Speakers:
    """Google's labels in the order they first speak: `speaker 1`, `speaker 2`."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def name(self, label: str) -> str | None:
        return self._names.setdefault(label, f"speaker {len(self._names) + 1}") if label else None


def _label(word: JsonNode) -> str:
    """v2 has `speakerLabel`; v1 also a number, 0 for none."""
    tag = word.integer("speakerTag")
    return word.text("speakerLabel") or (str(tag) if tag else "")


def _labelled(result: JsonNode) -> bool:
    return any(_label(word) for word in result.items("alternatives")[0].items("words"))


def _language(result: JsonNode) -> str | None:
    code = result.text("languageCode")
    return from_google(code) if code else None


def _joined(texts: Iterable[str]) -> str:
    return " ".join(text.strip() for text in texts if text.strip())


def _sure(node: JsonNode) -> float | None:
    return node.ratio("confidence") or None


def _segments(result: JsonNode, request: s.TranscribeRequest, names: _Speakers) -> Iterable[s.TranscriptSegment]:
    """One for a result, or one for each stretch of a speaker."""
    best, *others = result.items("alternatives")
    words = _words(result, names)
    language = _language(result)
    if request.diarization and any(word.speaker for word in words):
        return _runs(words, language=language)
    channel = result.integer("channelTag") - 1
    end = seconds(result.at("resultEndOffset")) or seconds(result.at("resultEndTime"))
    return [
        s.TranscriptSegment(
            text=best.text("transcript").strip(),
            start=words[0].start if words else None,
            end=words[-1].end if words and words[-1].end is not None else end,
            confidence=_sure(best),
            channel=channel if channel >= 0 else None,
            language=language,
            words=tuple(words),
            alternatives=tuple(
                s.TranscriptAlternative(text=each.text("transcript").strip(), confidence=_sure(each)) for each in others
            ),
        )
    ]


def _words(result: JsonNode, names: _Speakers) -> list[s.TranscriptWord]:
    """Times that are zero are left out of the answer where others are there."""
    words = result.items("alternatives")[0].items("words")
    timed = any(word.at("endOffset") or word.at("endTime") for word in words)
    channel = result.integer("channelTag") - 1
    return [
        s.TranscriptWord(
            text=word.text("word"),
            start=_time(word, "start") if timed else None,
            end=_time(word, "end") if timed else None,
            confidence=_sure(word),
            speaker=names.name(_label(word)),
            channel=channel if channel >= 0 else None,
        )
        for word in words
    ]


def _time(word: JsonNode, side: str) -> float:
    found = seconds(word.at(f"{side}Offset"))
    return found if found is not None else seconds(word.at(f"{side}Time")) or 0.0


def _runs(words: Sequence[s.TranscriptWord], *, language: str | None) -> Iterable[s.TranscriptSegment]:
    for (speaker, channel), run in groupby(words, key=lambda word: (word.speaker, word.channel)):
        said = list(run)
        sure = [word.confidence for word in said if word.confidence is not None]
        yield s.TranscriptSegment(
            text=" ".join(word.text for word in said),
            start=said[0].start,
            end=said[-1].end,
            confidence=sum(sure) / len(sure) if sure else None,
            speaker=speaker,
            channel=channel,
            language=language,
            words=tuple(said),
        )
