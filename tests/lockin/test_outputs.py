"""`cloudai lockin` from the command line: forms, schema, rules, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from cloudai.cli import main
from cloudai.errors import InvalidInput
from cloudai.lockin import Scan
from cloudai.lockin.asjson import schema, share, to_data, to_json
from cloudai.lockin.rules import judge, parse_rule
from cloudai.lockin.sarif import to_sarif

Run = Callable[..., tuple[int, str, str]]
DAY = ("--as-of", "2026-11-21")


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*args: object) -> tuple[int, str, str]:
        code = main(["lockin", *map(str, args)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_the_json_form_keeps_its_schema(cli: Run, corpus: Path) -> None:
    code, out, _ = cli(corpus / "apps", *DAY, "--format", "json", "--fail-on", "portable<1%")
    assert code == 0
    jsonschema.Draft202012Validator(json.loads(schema())).validate(json.loads(out))


def test_the_schema_is_printed_and_is_a_schema(cli: Run) -> None:
    code, out, _ = cli("--schema")
    assert (code, out) == (0, schema())
    jsonschema.Draft202012Validator.check_schema(json.loads(out))


def test_the_json_form_has_what_the_scan_has(applications: Scan) -> None:
    data = json.loads(to_json(applications))
    assert len(data["finds"]) == len(applications.finds)
    assert [(o["provider"], o["operation"], o["coupled_lines"]) for o in data["operations"]] == [
        (used.provider, used.operation, used.coupled_lines) for used in applications.operations
    ]
    for target, found in applications.shares.items():
        assert data["shares"][target]["portable"] == share(found.portable)
    assert to_data(applications) == data


def test_the_exit_bill_is_in_the_json_form(cli: Run, corpus: Path) -> None:
    _, out, _ = cli(
        corpus / "apps" / "moderation", *DAY, "--format", "json", "--to", "gcp", "--set", "exit.day_rate=1000"
    )
    exits = json.loads(out)["exits"]
    (way,) = exits["ways"]
    assert (way["source"], way["target"]) == ("aws", "gcp")
    assert float(way["direct"]["dollars"]["people"]) == pytest.approx(1000 * float(way["direct"]["days"]["total"]))
    assert next(term for term in exits["terms"] if term["key"] == "day_rate")["value"] == "1000"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("ways", 0, "direct", "p50"), 12.5),
        (("ways", 0, "direct", "days", "code"), None),
        (("ways", 0, "direct", "dollars", "lunch"), "3"),
        (("ways", 0, "direct", "uses", 0, "class"), 5),
        (("ways", 0, "neutral"), None),
        (("ways", 0, "worth_of_interface"), "much"),
        (("terms", 0, "why"), 7),
        (("total",), "1"),
    ],
)
def test_the_schema_refuses_a_bill_that_is_none(
    cli: Run, corpus: Path, path: tuple[str | int, ...], value: object
) -> None:
    _, out, _ = cli(corpus / "apps" / "moderation", *DAY, "--format", "json", "--to", "gcp")
    document = json.loads(out)
    jsonschema.validate(document, json.loads(schema()))
    place = document["exits"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, json.loads(schema()))


def test_sarif_results_point_at_files_and_lines_that_are_there(applications: Scan, corpus: Path) -> None:
    log = json.loads(to_sarif(applications))
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert log["version"] == "2.1.0"
    assert run["results"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uriBaseId"] == "SRCROOT"
        lines = (corpus / "apps" / place["artifactLocation"]["uri"]).read_text(encoding="utf-8").splitlines()
        assert 1 <= place["region"]["startLine"] <= len(lines)


SARIF = json.loads((Path(__file__).parent / "sarif-2.1.0.subset.json").read_text(encoding="utf-8"))


def test_sarif_keeps_the_published_schema(cli: Run, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def f(:\n", encoding="utf-8")
    for folder in (corpus / "apps", corpus / "snippets", tmp_path):
        _, out, _ = cli(folder, *DAY, "--format", "sarif", "--fail-on", "portable<80%")
        jsonschema.Draft7Validator(SARIF, format_checker=jsonschema.FormatChecker()).validate(json.loads(out))


@pytest.mark.parametrize(
    "change", [{"ruleId": 1}, {"level": "bad"}, {"message": {}}, {"kinds": "x"}, {"locations": [{"line": 1}]}]
)
def test_the_schema_refuses_what_sarif_does_not_have(applications: Scan, change: dict[str, object]) -> None:
    log = json.loads(to_sarif(applications))
    log["runs"][0]["results"][0] |= change
    assert not jsonschema.Draft7Validator(SARIF).is_valid(log)


def test_two_calls_of_one_operation_in_a_file_are_two_sarif_results(scanned: Callable[..., Scan]) -> None:
    line = 'boto3.client("rekognition").search_faces_by_image(CollectionId="a")\n'
    (run,) = json.loads(to_sarif(scanned(a=f"import boto3\n{line}{line}")))["runs"]
    calls = [r for r in run["results"] if "search_faces_by_image" in r["message"]["text"]]
    assert len(calls) == 2
    assert len({r["partialFingerprints"]["lockin/v1"] for r in calls}) == 2


def test_sarif_fingerprints_do_not_change_when_lines_move(scanned: Callable[..., Scan]) -> None:
    code = 'import boto3\nboto3.client("rekognition").search_faces_by_image(CollectionId="a")\n'

    def prints(found: Scan) -> list[str]:
        return [r["partialFingerprints"]["lockin/v1"] for r in json.loads(to_sarif(found))["runs"][0]["results"]]

    before = prints(scanned(a=code))
    assert before
    assert prints(scanned(a=f"\n\n{code}")) == before


def test_a_rule_that_does_not_hold_is_exit_code_3_and_a_sarif_result(cli: Run, corpus: Path) -> None:
    code, out, err = cli(corpus / "apps", *DAY, "--format", "sarif", "--fail-on", "portable<80%")
    assert code == 3
    assert "failed --fail-on 'portable<80%': " in err
    results = json.loads(out)["runs"][0]["results"]
    assert [r["level"] for r in results if r["ruleId"] == "lockin/rule"] == ["error"]


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("portable<10%", 0),
        ("portable:azure<80%", 3),
        ("neutral<50%", 3),
        ("neutral<1%", 0),
        ("retirement<180d", 0),
        ("retirement<700 days", 3),
        ("exit>100 USD", 3),
        ("exit:gcp>100 USD", 3),
    ],
)
def test_each_rule_has_its_exit_code(cli: Run, corpus: Path, rule: str, code: int) -> None:
    assert cli(corpus / "apps", *DAY, "--fail-on", rule)[0] == code


@pytest.mark.parametrize(
    "rule", ["portable", "portable>80%", "portable<80", "retirement<180%", "exit<5 USD", "cheap<1%", "neutral:gcp<5%"]
)
def test_a_rule_that_is_none_is_bad_input_and_says_how_to_write_one(cli: Run, corpus: Path, rule: str) -> None:
    code, _, err = cli(corpus / "snippets" / "01_alias_import.py", "--fail-on", rule)
    assert code == 2
    assert "--fail-on" in err
    assert "portable<80%" in err or "has no target" in err


def test_a_rule_about_a_target_that_was_not_asked_for_is_bad_input(cli: Run, corpus: Path) -> None:
    assert cli(corpus / "apps", "--to", "gcp", "--fail-on", "portable:azure<5%")[0] == 2


def test_an_exit_rule_without_a_bill_can_not_be_told(applications: Scan) -> None:
    (verdict,) = judge([parse_rule("exit>5 USD")], applications)
    assert verdict.holds is None


def test_limits_are_inclusive_where_the_sign_says_so(applications: Scan) -> None:
    days = applications.retirements[0].days
    assert judge([parse_rule(f"retirement<{days}d")], applications)[0].holds is True
    assert judge([parse_rule(f"retirement<={days}d")], applications)[0].holds is False


def test_nothing_to_find_is_fine(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("print(1)\n", encoding="utf-8")
    code, out, err = cli(tmp_path, "--fail-on", "portable<80%", "--fail-on", "neutral<80%")
    assert code == 0
    assert out == "1 file read: nothing of a vendor's AI services is used.\n"
    assert "passed --fail-on 'portable<80%': no call would have to move" in err


def test_a_folder_with_nothing_to_read_says_so(cli: Run, tmp_path: Path) -> None:
    assert cli(tmp_path)[:2] == (
        0,
        "Nothing to read here: no Python, notebook, requirement file, Terraform or CloudFormation.\n",
    )
    (tmp_path / "a.py").write_text("def (:\n", encoding="utf-8")
    assert cli(tmp_path)[1] == "Nothing could be read: 1 file skipped.\n"


def test_a_rule_that_cant_be_told_says_what_is_missing(cli: Run, corpus: Path) -> None:
    code, _, err = cli(corpus / "apps" / "moderation", *DAY, "--to", "gcp", "--fail-on", "exit>9000000 USD")
    assert code == 4
    assert "can't tell --fail-on 'exit>9000000 USD': leaving for gcp costs at least" in err
    assert "left out: see the bill" in err


def test_bad_input_is_exit_code_2(cli: Run, tmp_path: Path) -> None:
    assert cli(tmp_path / "nowhere")[0] == 2
    assert cli(tmp_path, "--as-of", "tomorrow")[0] == 2
    assert cli(tmp_path, "--horizon", "-1")[0] == 2
    assert cli(tmp_path, "--set", "day_rate=3")[0] == 2
    assert cli(tmp_path, "--output", tmp_path / "no" / "file")[0] == 2


def test_skipped_files_are_told_beside_the_results(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def (:\n", encoding="utf-8")
    assert "skipped bad.py:1: can't be parsed" in cli(tmp_path)[2]
    assert "bad.py" not in cli(tmp_path, "--quiet")[2]


def test_markdown_keeps_a_table_whole_whatever_is_in_a_cell(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "a|b.py").write_text('import boto3\nboto3.client("polly").describe_voices()\n', encoding="utf-8")
    _, out, _ = cli(tmp_path, "--format", "markdown")
    assert "a\\|b.py:2" in out
    heads = [line.count(" | ") for line in out.splitlines() if line.startswith("| place")]
    finds = [
        line.replace("\\|", "").count(" | ") for line in out.splitlines() if "a\\|b.py" in line and "operation" in line
    ]
    assert set(finds) == set(heads)


def test_the_table_goes_to_a_file_as_plain_text(cli: Run, corpus: Path, tmp_path: Path) -> None:
    code, out, _ = cli(corpus / "apps", *DAY, "--explain", "--output", tmp_path / "out.txt")
    text = (tmp_path / "out.txt").read_text(encoding="utf-8")
    assert (code, out) == (0, "")
    assert "What stands in the way" in text
    assert "moderator.py:20" in text or "moderation/app/moderator.py" in text
    assert "\x1b" not in text


def test_an_unknown_target_is_refused(corpus: Path) -> None:
    from cloudai.lockin import scan

    with pytest.raises(InvalidInput, match="unknown target"):
        scan(corpus, targets=("oracle",))
