"""What a line needs of a provider: held against the declarations that ship with each provider."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloudai.cli import main

WORKLOAD = """
[[line]]
name = "subtitles"
operation = "speech.transcribe"
volume = "100 hours"
needs = ["FEATURE"]
"""


@pytest.fixture
def workload(tmp_path: Path):
    def write(feature: str) -> str:
        path = tmp_path / "workload.toml"
        path.write_text(WORKLOAD.replace("FEATURE", feature), encoding="utf-8")
        return str(path)

    return write


def document(capsys: pytest.CaptureFixture[str], *arguments: str):
    main(["estimate", *arguments, "--format", "json"])
    return json.loads(capsys.readouterr().out)


def lacking(capsys: pytest.CaptureFixture[str], path: str) -> set[str]:
    """Providers that lack what the line needs."""
    notes = {option["provider"]: option["lines"][0]["notes"] for option in document(capsys, path)["options"]}
    return {provider for provider, said in notes.items() if any(" lacks " in note for note in said)}


def some_feature(capsys: pytest.CaptureFixture[str]) -> tuple[str, set[str]]:
    """A feature that some of the three offer and others don't, and who offers it."""
    from cloudai.capabilities import as_planner_data, find_capabilities, load_capabilities

    names = ("aws", "azure", "gcp")
    declared = as_planner_data({name: load_capabilities(find_capabilities(f"cloudai_{name}")) for name in names})
    features = {feature for name in names for feature in declared[name]["speech.transcribe"] if feature}
    for feature in sorted(features):
        have = {name for name in names if declared[name]["speech.transcribe"].get(feature, "no") != "no"}
        if 0 < len(have) < len(names):
            return feature, have
    raise AssertionError("all features are everywhere")


def test_a_provider_without_it_is_out_of_the_mix_with_the_reason(capsys, workload):
    feature, have = some_feature(capsys)
    path = workload(feature)
    assert lacking(capsys, path) == {"aws", "azure", "gcp"} - have
    (choice,) = document(capsys, path)["mix"]["choices"]
    assert choice["provider"] in have


@pytest.mark.parametrize("form", ["table", "markdown", "html"])
def test_people_are_told_who_is_out_and_why(capsys, workload, form):
    feature, have = some_feature(capsys)
    main(["estimate", workload(feature), "--format", form])
    shown = capsys.readouterr().out.replace("\\", "")
    for provider in {"aws", "azure", "gcp"} - have:
        assert f"not in the mix: {provider}: subtitles: lacks {feature}, which the line needs" in shown


@pytest.mark.parametrize("key", ["needs", "features"])
def test_a_misspelt_feature_is_asked_about(capsys, workload, key):
    path = Path(workload("diarisation"))
    path.write_text(path.read_text(encoding="utf-8").replace("needs", key), encoding="utf-8")
    assert main(["estimate", str(path)]) == 2
    said = capsys.readouterr().err
    assert (
        f"{path}:6: no provider has a feature 'diarisation' of speech.transcribe. Did you mean 'diarization'?" in said
    )


def test_the_machines_that_would_do_are_shown_with_the_chosen_one_ticked(capsys):
    arguments = ["custom.train=10 hours", "--set", "line.accelerator=L4", "--set", "line.count=4", "--provider", "aws"]
    for form in (["--explain"], ["--format", "markdown", "--explain"], ["--format", "html"]):
        assert main(["estimate", *arguments, *form]) == 0
        shown = capsys.readouterr().out
        assert shown.count("✓ 1 x ml.g6.12xlarge: $") == 1
        assert "an hour" in shown


def test_effective_and_marginal_prices_and_the_way_to_the_next_tier_are_shown(capsys):
    for form in (["--explain"], ["--format", "markdown", "--explain"], ["--format", "html"]):
        assert main(["estimate", "vision.detect_labels=1.2M images", "--provider", "aws", *form]) == 0
        assert (
            "$0.000966667 per image on average, $0.0008 for the next, price changes at 5,000,000 images a month, "
            "3,800,000 further" in capsys.readouterr().out
        )
