"""Verbs end to end against the fake provider of a config file: results, files, failures, exit codes."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cloudai.cli import main, output
from cloudai.cli.commands import root_parser
from cloudai.types.results import Notice, Result
from cloudai.types.speech import SynthesizeResult, TranscribeResult, TranscriptSegment
from cloudai.types.translation import TranslateDocumentResult, TranslateResult, Translation
from cloudai.types.vision import (
    Block,
    Box,
    Cell,
    DetectedObject,
    DetectLabelsResult,
    DetectObjectsResult,
    Label,
    Line,
    Page,
    ReadDocumentResult,
    ReadTextResult,
    Table,
)

Scripted = Callable[..., None]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own with a config whose only backend is the fake one."""
    monkeypatch.chdir(tmp_path)
    Path("cloudai.toml").write_text('[backends.test]\nprovider = "fake"\n')


@pytest.fixture
def scripted() -> Scripted:
    """Scripts the fake's answers."""

    def script(**answers: Result) -> None:
        texts = {name.replace("__", "."): json.loads(result.model_dump_json()) for name, result in answers.items()}
        Path("answers.json").write_text(json.dumps(texts))
        Path("cloudai.toml").write_text('[backends.test]\nprovider = "fake"\nanswers = "answers.json"\n')

    return script


def picture(name: str) -> str:
    Image.new("RGB", (64, 64), "white").save(name)
    return name


def sound(name: str, seconds: float = 0.5) -> str:
    import wave

    with wave.open(name, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(b"\0\0" * int(16000 * seconds))
    return name


def read(text: str) -> ReadTextResult:
    return ReadTextResult(pages=(Page(blocks=(Block(lines=tuple(Line(text=line) for line in text.split("\n"))),)),))


# --- what is shown -------------------------------------------------------------------------------


def test_read_text_prints_the_text_and_one_line_of_facts(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted(vision__read_text=read("Invoice 2026\nTotal 12,50 €"))
    assert main(["vision", "read-text", picture("a.png")]) == 0
    out, err = capsys.readouterr()
    assert out == "Invoice 2026\nTotal 12,50 €\n"
    assert err.startswith("test: ")
    assert "cost unknown" in err
    assert len(err.splitlines()) == 1


def test_quiet_leaves_the_facts_out(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    scripted(vision__read_text=read("hello"))
    assert main(["vision", "read-text", "-q", picture("a.png")]) == 0
    assert capsys.readouterr() == ("hello\n", "")


def test_a_table_in_a_pipe_is_aligned_and_never_cut(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    long = "a very long label " * 20
    labels = (
        Label(name=long, vendor_name=long, confidence=0.987, parents=("thing",)),
        Label(name="cat", vendor_name="Cat", confidence=None),
    )
    scripted(vision__detect_labels=DetectLabelsResult(labels=labels))
    assert main(["vision", "detect-labels", picture("a.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert long.strip() in lines[1]
    assert lines[1].index("0.99") == lines[0].index("confidence") == lines[2].index("-")


def test_an_empty_answer_is_said(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    scripted(vision__detect_objects=DetectObjectsResult())
    assert main(["vision", "detect-objects", picture("a.png")]) == 0
    assert capsys.readouterr().out == "no objects\n"


def test_boxes_are_fractions(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    found = DetectedObject(name="cat", vendor_name="Cat", confidence=0.5, box=Box(x=0.1, y=0.25, w=0.5, h=0.125))
    scripted(vision__detect_objects=DetectObjectsResult(objects=(found,)))
    assert main(["vision", "detect-objects", picture("a.png")]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["cat", "0.50", "0.100", "0.250", "0.500", "0.125"]


def test_a_document_shows_its_text_and_its_tables(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(rows=1, columns=2, cells=(Cell(row=0, column=0, text="Bolts"), Cell(row=0, column=1, text="40")))
    scripted(vision__read_document=ReadDocumentResult(pages=read("Order 7").pages, tables=(table,)))
    assert main(["vision", "read-document", picture("a.png"), "--feature", "tables"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Order 7\n")
    assert out.splitlines()[-1].split() == ["Bolts", "40"]


def test_speakers_are_told_apart_in_a_transcript(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    scripted(speech__transcribe=transcript())
    assert main(["transcribe", sound("a.wav"), "--diarization"]) == 0
    assert capsys.readouterr().out == "[0.0] speaker 1: Hello.\n[1.5] speaker 2: Hi.\n"


def transcript() -> TranscribeResult:
    segments = (
        TranscriptSegment(text="Hello.", start=0, end=1.5, speaker="speaker 1"),
        TranscriptSegment(text="Hi.", start=1.5, end=2, speaker="speaker 2"),
    )
    return TranscribeResult(text="Hello. Hi.", segments=segments)


def test_several_texts_are_one_call_and_a_line_each(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    answers = (Translation(text="Guten Tag", source="en"), Translation(text="Danke", source="en"))
    scripted(translation__translate=TranslateResult(translations=answers, target="de"))
    assert main(["translate", "Good day", "Thanks", "--to", "de"]) == 0
    assert capsys.readouterr().out == "Guten Tag\nDanke\n"


def test_a_text_that_begins_with_a_dash_comes_after_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["translate", "--to", "de", "--", "-5 degrees"]) == 0
    assert "-5 degrees" in capsys.readouterr().out


# --- JSON ----------------------------------------------------------------------------------------


def test_json_of_one_file_is_the_result_itself(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    scripted(vision__read_text=read("hello"))
    assert main(["vision", "read-text", picture("a.png"), "--json"]) == 0
    out, err = capsys.readouterr()
    result = ReadTextResult.model_validate_json(out)
    assert (result.text, result.backend, result.operation) == ("hello", "test", "vision.read_text")
    assert err == ""


def test_json_of_several_files_is_a_line_each_in_their_order(
    scripted: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted(vision__read_text=read("hello"))
    names = [picture(f"{number}.png") for number in range(5)]
    assert main(["vision", "read-text", *reversed(names), "--json", "--jobs", "3"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["input"] for line in lines] == list(reversed(names))
    assert all(ReadTextResult.model_validate(line["result"]).text == "hello" for line in lines)


def test_a_pattern_gives_json_lines_even_when_one_file_matches(capsys: pytest.CaptureFixture[str]) -> None:
    picture("only.png")
    assert main(["vision", "read-text", "*.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["input"] == "only.png"


def test_options_may_stand_between_inputs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vision", "read-text", picture("a.png"), "--json", picture("b.png")]) == 0
    assert [json.loads(line)["input"] for line in capsys.readouterr().out.splitlines()] == ["a.png", "b.png"]


def test_raw_has_the_providers_own_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vision", "read-text", picture("a.png"), "--raw"]) == 0
    assert json.loads(capsys.readouterr().out)["raw"] is not None


# --- several files -------------------------------------------------------------------------------


def test_one_failure_does_not_stop_the_others(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    scripted(vision__read_text=read("hello"))
    Path("b.png").write_text("not a picture")
    assert main(["vision", "read-text", picture("a.png"), "b.png", "missing.png", picture("c.png")]) == 1
    out, err = capsys.readouterr()
    assert out.count("hello") == 2
    assert "==> c.png <==" in out
    assert "2 of 4 failed: b.png, missing.png" in err
    assert "Traceback" not in err


def test_a_failed_file_is_a_json_line_with_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    Path("b.png").write_bytes(b"")
    assert main(["vision", "read-text", picture("a.png"), "b.png", "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "result" in lines[0]
    assert lines[1]["error"]["code"] == "invalid_input"


def test_a_warning_of_several_results_is_told_once(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    warned = Notice(code="truncated", message="only the first page was read")
    scripted(vision__read_text=read("hello").model_copy(update={"warnings": (warned,)}))
    assert main(["vision", "read-text", picture("a.png"), picture("b.png")]) == 0
    assert capsys.readouterr().err.splitlines()[0] == "warning: a.png: only the first page was read"
    assert main(["vision", "read-text", "a.png", "b.png", "b.png"]) == 0
    assert capsys.readouterr().err.count("only the first page") == 1
    assert main(["vision", "read-text", "a.png", "b.png", "--json"]) == 0
    assert capsys.readouterr().err == ""


def test_patterns_are_sorted_recursive_and_each_file_once(capsys: pytest.CaptureFixture[str]) -> None:
    Path("deep/er").mkdir(parents=True)
    names = [picture("deep/er/z.png"), picture("deep/a.png")]
    assert main(["vision", "read-text", "deep/**/*.png", names[0], "--json"]) == 0
    found = [json.loads(line)["input"] for line in capsys.readouterr().out.splitlines()]
    assert found == ["deep/a.png", "deep/er/z.png"]


def test_a_pattern_without_a_match_is_wrong_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vision", "read-text", "*.tiff"]) == 2
    assert "no file matches '*.tiff'" in capsys.readouterr().err


def test_a_file_with_the_name_of_a_pattern_is_that_file(capsys: pytest.CaptureFixture[str]) -> None:
    picture("a1.png")
    assert main(["vision", "read-text", picture("a[1].png"), "--json"]) == 0
    assert "input" not in json.loads(capsys.readouterr().out)


# --- standard input ------------------------------------------------------------------------------


class Piped(io.TextIOWrapper):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")


def test_a_dash_reads_a_picture_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Piped(Path(picture("a.png")).read_bytes()))
    assert main(["vision", "read-text", "-"]) == 0
    assert capsys.readouterr().out


def test_a_dash_reads_text_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Piped("Grüß Gott\n".encode()))
    assert main(["translate", "-", "--to", "en"]) == 0
    assert "Grüß Gott" in capsys.readouterr().out


def test_standard_input_that_is_not_utf_8_is_wrong_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Piped(b"\xff\xfe\x00"))
    assert main(["translate", "-", "--to", "en"]) == 2
    assert "not UTF-8" in capsys.readouterr().err


# --- files that are written ----------------------------------------------------------------------


def test_audio_is_written_to_the_file(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    scripted(speech__synthesize=SynthesizeResult(audio=b"RIFFsound"))
    assert main(["synthesize", "hello", "-o", "hello.wav"]) == 0
    assert Path("hello.wav").read_bytes() == b"RIFFsound"
    out, err = capsys.readouterr()
    assert out == ""
    assert "wrote hello.wav" in err


def test_audio_goes_into_a_pipe_byte_for_byte(scripted: Scripted, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    sound_bytes = bytes(range(256))
    scripted(speech__synthesize=SynthesizeResult(audio=sound_bytes))
    done = subprocess.run([sys.executable, "-m", "cloudai.cli", "synthesize", "hi", "-q"], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, sound_bytes, b"")


def test_json_of_written_audio_leaves_the_bytes_out(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    scripted(speech__synthesize=SynthesizeResult(audio=b"RIFFsound", voice="v1"))
    assert main(["synthesize", "hello", "-o", "hello.wav", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["voice"] == "v1"
    assert "audio" not in result


@pytest.mark.parametrize(
    ("path", "given", "asked"),
    [
        ("a.mp3", [], {"format": "mp3"}),
        ("a.OGG", [], {"format": "ogg_opus"}),
        ("a.mp3", ["--format", "flac"], {}),
        ("a.sound", [], {}),
    ],
)
def test_the_suffix_asks_for_the_format_unless_it_is_given(path: str, given: list[str], asked: dict[str, str]) -> None:
    args = root_parser("speech").parse_args(["speech", "synthesize", "hello", "-o", path, *given])
    values = {"format": args.format} if given else {}
    assert output.implied(args.verb, args, values) == asked


def test_subtitles_are_printed_or_written(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    scripted(speech__transcribe=transcript())
    assert main(["transcribe", sound("a.wav"), "--srt"]) == 0
    assert capsys.readouterr().out == transcript().to_srt()
    assert main(["transcribe", "a.wav", sound("b.wav"), "--vtt", "-o", "subs"]) == 0
    assert sorted(path.name for path in Path("subs").iterdir()) == ["a.vtt", "b.vtt"]
    assert Path("subs/a.vtt").read_text() == transcript().to_vtt()


def test_subtitles_without_times_say_how_to_get_them(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    scripted(speech__transcribe=TranscribeResult(text="Hello", segments=(TranscriptSegment(text="Hello"),)))
    assert main(["transcribe", sound("a.wav"), "--srt"]) == 2
    assert "--word-timestamps" in capsys.readouterr().err


def test_a_translated_document_keeps_its_suffix(scripted: Scripted, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.png", "b.png"):
        picture(name)
    scripted(translation__translate_document=TranslateDocumentResult(document=b"%PDF-de", target="de"))
    assert main(["translation", "translate-document", "a.png", "b.png", "--to", "de", "-o", "out"]) == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.de.png", "b.de.png"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["synthesize", "hi", "-o", "."], "is a folder"),
        (["synthesize", "hi", "-o", "no/such/a.wav"], "does not exist"),
        (["transcribe", "a.wav", "b.wav", "--srt"], "needs -o FOLDER"),
        (["transcribe", "a.wav", "b.wav", "-o", "cloudai.toml"], "is a file"),
        (["translation", "translate-document", "a.wav", "b.wav", "--to", "de"], "add -o FOLDER"),
    ],
)
def test_nowhere_to_write_is_told_before_anything_is_sent(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    assert said in capsys.readouterr().err


# --- terminals -----------------------------------------------------------------------------------


def on_a_terminal(*argv: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """Runs `cloudai` with stdout and stderr on a pseudo-terminal; exit code and what was seen."""
    master, slave = pty.openpty()
    environ = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "cloudai.cli", *argv],
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
        env={**environ, "TERM": "xterm-256color", "COLUMNS": "80", **(environment or {})},
    )
    os.close(slave)
    seen = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        seen += chunk
    os.close(master)
    return process.wait(), seen.decode()


def test_audio_is_not_written_to_a_terminal() -> None:
    status, seen = on_a_terminal("synthesize", "hello")
    assert status == 2
    assert "add -o FILE" in seen
    assert "RIFF" not in seen


def test_control_characters_are_shown_on_a_terminal_and_not_obeyed(scripted: Scripted) -> None:
    scripted(vision__read_text=read("safe\x1b[2Jtext\x07"))
    status, seen = on_a_terminal("vision", "read-text", "-q", picture("a.png"))
    assert status == 0
    assert "safe\\x1b[2Jtext\\x07" in seen
    assert "\x1b[2J" not in seen


def test_several_files_have_a_progress_bar_on_a_terminal() -> None:
    names = [picture(f"{number}.png") for number in range(3)]
    status, seen = on_a_terminal("vision", "read-text", *names)
    assert status == 0
    assert "3/3" in seen or "2/3" in seen
    status, seen = on_a_terminal("vision", "read-text", "-q", *names)
    assert "/3" not in seen


def test_colour_is_for_terminals_and_for_those_who_want_it() -> None:
    assert "\x1b[" in on_a_terminal("nonsense")[1]
    assert "\x1b[" not in on_a_terminal("nonsense", environment={"NO_COLOR": "1"})[1]
    piped = [sys.executable, "-m", "cloudai.cli", "nonsense"]
    plain = subprocess.run(piped, capture_output=True, text=True)
    assert "\x1b[" not in plain.stderr
    forced = subprocess.run(piped, capture_output=True, text=True, env={**os.environ, "FORCE_COLOR": "1"})
    assert "\x1b[" in forced.stderr


# --- the end of the process ----------------------------------------------------------------------


def test_a_reader_that_goes_away_is_no_error_message() -> None:
    command = f"{sys.executable} -m cloudai.cli vision read-text a.png a.png --json --raw"
    picture("a.png")
    done = subprocess.run(["bash", "-c", f"{command} | true; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True)
    assert done.stdout.strip() in ("0", "141")  # 0: it had finished before the reader went
    assert done.stderr == ""


def test_an_interrupt_is_one_line_and_130() -> None:
    os.mkfifo("slow.toml")
    process = subprocess.Popen(
        [sys.executable, "-m", "cloudai.cli", "config", "show", "--config", "slow.toml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    writer = os.open("slow.toml", os.O_WRONLY)  # returns when the command has begun to read
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    os.close(writer)
    assert (process.returncode, out, err) == (130, "", "cloudai: interrupted\n")


def test_debug_shows_the_traceback_and_nothing_else_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vision", "read-text", "missing.png"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert main(["--debug", "vision", "read-text", "missing.png"]) == 2
    assert "Traceback" in capsys.readouterr().err
    assert main(["vision", "read-text", "missing.png", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_secret_in_the_config_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    Path("cloudai.toml").write_text('[backends.test]\nprovider = "fake"\napi_key = "s3cr3t-value"\n')
    assert main(["vision", "read-text", picture("a.png")]) == 0
    err = capsys.readouterr().err
    assert "warning: " in err
    assert "s3cr3t-value" not in err
