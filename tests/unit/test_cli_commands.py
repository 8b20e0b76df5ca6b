"""The command line's shape: the table, late loading, aliases, commands of other packages, one flag per field."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import get_args

import pytest

from cloudai.cli import custom, main, speech, translation, vision
from cloudai.cli.commands import TABLE, expand_alias, full_parser
from cloudai.cli.parser import subcommands
from cloudai.cli.verbs import Verb
from cloudai.operations import TYPES
from cloudai_pricing.operations import operations

VERBS: dict[str, Verb] = {
    verb.operation: verb for module in (vision, speech, translation, custom) for verb in module.VERBS
}

HEAVY = ("pydantic", "httpx", "rich", "numpy", "PIL", "onnxruntime", "tenacity", "boto3", "importlib.metadata")

UNSAID = {
    "custom.predict": {"tensors", "images"},  # tensors come from a file, images are the inputs
    "custom.train": set(TYPES["custom.train"].request.model_fields),  # a file holds them
    "custom.deploy": {"accelerator", "traffic", "tags"},  # the accelerator has three flags of its own
    "custom.batch_predict": {"accelerator", "inputs", "output", "content", "max_cost", "tags"},
}
"""Fields of requests that no flag of the same name sets."""


def loaded_by(*argv: str) -> set[str]:
    code = "import sys; from cloudai.cli import main; main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


def test_every_operation_of_the_vocabulary_is_a_verb() -> None:
    assert set(VERBS) == set(operations())


@pytest.mark.parametrize("operation", sorted(TYPES))
def test_every_field_of_a_request_can_be_said(operation: str) -> None:
    types, verb = TYPES[operation], VERBS[operation]
    inputs = {types.media, "text", "texts"}
    fields = set(types.request.model_fields) - inputs - UNSAID.get(operation, set())
    flags = {flag.field for flag in verb.flags}
    assert fields <= flags, f"no flag for {fields - flags}"


@pytest.mark.parametrize("operation", sorted(TYPES))
def test_choices_of_a_flag_are_those_of_its_type(operation: str) -> None:
    TYPES[operation].request.model_rebuild()
    fields = TYPES[operation].request.model_fields
    for flag in VERBS[operation].flags:
        if flag.field not in fields:
            continue
        annotation = fields[flag.field].annotation
        enums = [t for t in (annotation, *get_args(annotation)) if isinstance(t, type) and issubclass(t, StrEnum)]
        assert flag.choices == (tuple(enums[0]) if enums else None), flag.name


@pytest.mark.parametrize("operation", sorted(VERBS))
def test_no_flag_of_a_verb_hides_one_that_all_verbs_have(operation: str) -> None:
    common = {"inputs", "json", "raw", "form", "output", "quiet", "backend", "config", "timeout", "deadline"}
    common |= {"option", "resize", "jobs", "verb", "debug", "run"}
    assert not common & {flag.field for flag in VERBS[operation].flags}


def test_the_version_loads_no_command_and_nothing_heavy() -> None:
    modules = loaded_by("--version")
    assert not {row.module for row in TABLE} & modules
    assert not set(HEAVY) & modules


def test_an_estimate_loads_neither_other_commands_nor_anything_heavy() -> None:
    modules = loaded_by("estimate", "vision.detect_labels=2000 images", "--region", "us", "--format", "json")
    assert {row.module for row in TABLE} & modules == {"cloudai.cli.estimate"}
    assert not set(HEAVY) & modules


def test_help_of_a_service_loads_that_command_only() -> None:
    modules = loaded_by("vision", "read-text", "--help")
    assert {row.module for row in TABLE} & modules == {"cloudai.cli.vision"}
    assert not set(HEAVY) & modules


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n    {row.name} " in shown for row in TABLE)


def test_no_arguments_show_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "commands:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [[row.name] for row in TABLE if row.module]
    + [[name, verb] for name, _, sub in subcommands(full_parser()) for verb, _, _ in subcommands(sub)],
    ids=" ".join,
)
def test_help_of_everything_can_be_printed(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*argv, "--help"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: cloudai ")
    assert err == ""


def test_an_alias_is_its_full_name() -> None:
    assert expand_alias(["--debug", "translate", "hi", "--to", "de"]) == [
        "--debug", "translation", "translate", "hi", "--to", "de",
    ]  # fmt: skip
    assert expand_alias(["vision", "translate"]) == ["vision", "translate"]


def test_an_unknown_command_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["visoin"]) == 2
    assert "did you mean 'vision'?" in capsys.readouterr().err


def test_an_unknown_verb_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vision", "read-txt"]) == 2
    assert "'read-text'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["vision", "read-text"], "IMAGE"),
        (["translate", "hi"], "--to"),
        (["vision", "read-text", "a.png", "--jobs", "0"], "whole number of 1 or more"),
        (["vision", "read-text", "a.png", "--timeout", "soon"], "'soon' is not a time"),
        (["vision", "read-text", "a.png", "--option", "engine=x"], "PROVIDER.KEY=VALUE"),
        (
            ["translate", "a", "--to", "es", "--option", "locl.engine=x"],
            "unknown provider 'locl': did you mean 'local'?",
        ),
        (["vision", "read-text", "a.png", "--colour"], "--colour"),
        (["transcribe", "a.wav", "--srt", "--json"], "not allowed with"),
        (["custom", "deploy", "m", "--name", "n", "--count", "2"], "--count needs --accelerator"),
    ],
)
def test_a_wrong_argument_is_told_in_two_lines(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str], fake_config: Path
) -> None:
    assert main([*argv, "--config", str(fake_config)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("cloudai: ")
    assert said in err
    assert len(err.splitlines()) <= 2


@pytest.fixture
def fake_config(tmp_path: Path) -> Path:
    path = tmp_path / "cloudai.toml"
    path.write_text('[backends.test]\nprovider = "fake"\n')
    return path


def write_distribution(folder: Path, *, name: str, target: str, module: str) -> None:
    """A package with one command, as an installer would leave it."""
    (folder / "acme_cli.py").write_text(module)
    info = folder / "acme_cloud-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-cloud\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[cloudai.commands]\n{name} = {target}\n")


ACME = """
import argparse

class Command:
    def configure(self, parser):
        parser.add_argument("who")

    def run(self, args):
        print(f"hello {args.who}")
        return 7

COMMAND = Command()
"""


def test_an_installed_package_adds_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_distribution(tmp_path, name="acme", target="acme_cli:COMMAND", module=ACME)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["acme", "world"]) == 7
    assert capsys.readouterr().out == "hello world\n"
    assert main(["--help"]) == 0
    assert "acme" in capsys.readouterr().out


def test_a_command_that_can_not_be_loaded_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_distribution(tmp_path, name="broken", target="acme_cli:NOTHING", module="")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["broken"]) == 1
    assert capsys.readouterr().err.startswith("cloudai: command 'broken' (acme_cli:NOTHING) can't be loaded")


def test_a_package_can_not_take_the_name_of_a_built_in_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_distribution(tmp_path, name="vision", target="acme_cli:COMMAND", module=ACME)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["vision", "--help"]) == 0
    assert "read-text" in capsys.readouterr().out
