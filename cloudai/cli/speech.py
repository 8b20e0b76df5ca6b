"""`cloudai speech`: audio to text, text to audio, and the voices there are."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cloudai.cli.terminal import Grid, Shown, listed
from cloudai.cli.verbs import Flag, Source, Verb, comma, configure_service

if TYPE_CHECKING:
    from cloudai.types import speech as s

PROFANITY = Flag("profanity", "--profanity", "what becomes of it", choices=("keep", "mask", "remove", "tag"))
FORMATS = ("wav", "mp3", "ogg_opus", "flac", "pcm", "mulaw", "alaw")


def _transcript(result: s.TranscribeResult) -> Iterable[Shown]:
    told_apart = any(segment.speaker or segment.channel is not None for segment in result.segments)
    yield "\n".join(_line(segment) for segment in result.segments) if told_apart else result.text


def _line(segment: s.TranscriptSegment) -> str:
    who = segment.speaker or (f"channel {segment.channel}" if segment.channel is not None else "")
    when = "" if segment.start is None else f"[{segment.start:.1f}] "
    return f"{when}{who}: {segment.text}" if who else f"{when}{segment.text}"


def _voices(result: s.VoicesResult) -> Iterable[Shown]:
    rows = tuple(
        (voice.id, voice.name, listed(voice.languages), voice.gender or "-", voice.engine or "-")
        for voice in result.voices
    )
    yield Grid(("voice", "name", "languages", "gender", "engine"), rows, empty="no voices")


def _srt(result: s.TranscribeResult) -> str:
    return result.to_srt()


def _vtt(result: s.TranscribeResult) -> str:
    return result.to_vtt()


def _synthesized(_: s.SynthesizeResult) -> Iterable[Shown]:
    return ()  # its audio is written, not shown


VERBS = (
    Verb(
        operation="speech.transcribe",
        source=Source.AUDIO,
        show=_transcript,
        forms={"srt": _srt, "vtt": _vtt},
        flags=(
            Flag("language", "--language", "language spoken; found out when not given", metavar="TAG"),
            Flag("languages", "--languages", "candidates, such as en,de", comma, many=True, metavar="TAGS"),
            Flag("diarization", "--diarization", "tell speakers apart", switch=True),
            Flag("min_speakers", "--min-speakers", "at least this many speakers", int, metavar="N"),
            Flag("max_speakers", "--max-speakers", "at most this many speakers", int, metavar="N"),
            Flag("word_timestamps", "--word-timestamps", "times of each word", switch=True),
            Flag("channels", "--channels", "transcribe each channel apart", switch=True),
            Flag("alternatives", "--alternatives", "how many readings to give", int, metavar="N"),
            Flag("phrases", "--phrase", "a word or name to expect", many=True, metavar="TEXT"),
            Flag("grammar", "--grammar", "JSGF grammar that is the whole language (limited engines)", metavar="JSGF"),
            PROFANITY,
            Flag("punctuation", "--no-punctuation", "words only", switch=False),
        ),
    ),
    Verb(
        operation="speech.synthesize",
        source=Source.TEXT,
        show=_synthesized,
        binary="audio",
        flags=(
            Flag("voice", "--voice", "the provider's voice; see: cloudai speech voices", metavar="ID"),
            Flag("language", "--language", "language of the text", metavar="TAG"),
            Flag("format", "--format", "default: the suffix of -o, else wav", choices=FORMATS),
            Flag("sample_rate", "--sample-rate", "8000 to 48000", int, metavar="HZ"),
            Flag("rate", "--rate", "1 is the voice's own speed", float, metavar="FACTOR"),
            Flag("pitch", "--pitch", "-20 to 20", float, metavar="SEMITONES"),
            Flag("volume", "--volume", "1 is the voice's own", float, metavar="FACTOR"),
            Flag("ssml", "--ssml", "the text is SSML", switch=True),
            Flag("speech_marks", "--speech-marks", "times of words in the JSON", switch=True),
        ),
    ),
    Verb(
        operation="speech.voices",
        source=Source.NOTHING,
        show=_voices,
        flags=(Flag("language", "--language", "only voices of this language", metavar="TAG"),),
    ),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """One subcommand per operation."""
    configure_service(parser, VERBS)


def run(args: argparse.Namespace) -> int:
    """Runs the chosen one."""
    from cloudai.cli import calls

    return calls.run(args)
