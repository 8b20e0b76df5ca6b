"""Commands that look and send nothing: config, backends, operations, doctor, completion, and their reference."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path

import pytest

from cloudai.capabilities import builtin_capabilities
from cloudai.cli import main
from cloudai.cli.config import TEMPLATE
from cloudai.cli.reference import updated
from cloudai.config import load_config
from cloudai_pricing.operations import operations

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"

CONFIG = """\
[backends.main]
provider = "fake"
region = "${PLACE}"
endpoint_url = "https://user:pw@example.com/x?sig=abc"
api_key = "${SECRET_KEY}"

[backends.spare]
provider = "fake"

[routes]
"vision.*" = ["main", "spare"]
"*" = "spare"

[policy]
timeout = "5s"
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLACE", "here-1")
    monkeypatch.setenv("SECRET_KEY", "s3cr3t-value")
    Path("cloudai.toml").write_text(CONFIG)


# --- config init ---------------------------------------------------------------------------------


def test_the_written_config_is_valid_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "init", "new.toml"]) == 0
    assert load_config("new.toml").used_backends == ("here",)


def test_every_commented_setting_of_the_written_config_is_valid() -> None:
    lines = TEMPLATE.read_text().splitlines()
    settings = [line.removeprefix("#") if line[1:2] not in ("", " ") else line for line in lines]
    Path("all.toml").write_text("\n".join(settings))
    config = load_config("all.toml")
    assert {backend.provider for backend in config.backends.values()} == set(builtin_capabilities())
    assert config.warnings == ()


def test_init_never_overwrites_unless_forced(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "init"]) == 2
    assert "--force" in capsys.readouterr().err
    assert Path("cloudai.toml").read_text() == CONFIG
    assert main(["config", "init", "--force"]) == 0
    assert tomllib.loads(Path("cloudai.toml").read_text())["backends"] == {"here": {"provider": "local"}}


# --- config show ---------------------------------------------------------------------------------


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    assert main(["config", "show", "--json"]) == 0
    return {row["key"]: row for row in json.loads(capsys.readouterr().out)["settings"]}


def test_show_says_where_each_value_came_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDAI_ROUTES", '{"speech.*": "main"}')
    rows = shown(capsys)
    assert rows["backends.main.region"]["value"] == "here-1"
    assert rows["backends.main.region"]["origin"].endswith("cloudai.toml:3")
    assert rows['routes."vision.*"']["value"] == "main, spare"
    assert rows['routes."speech.*"']["origin"] == "environment CLOUDAI_ROUTES"
    assert rows["policy.timeout"]["value"] == "5 s"
    assert rows["policy.timeout"]["origin"].endswith("cloudai.toml:15")
    assert rows["policy.deadline"]["origin"] == "default"


def test_show_masks_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    rows = shown(capsys)
    assert rows["backends.main.api_key"]["value"] == "*** (from ${SECRET_KEY})"
    assert rows["backends.main.endpoint_url"]["value"] == "https://***@example.com/x?***"
    assert main(["config", "show"]) == 0
    out, err = capsys.readouterr()
    assert not any(secret in out + err for secret in ("s3cr3t-value", "user:pw", "abc"))


def test_show_says_which_variable_is_not_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PLACE")
    assert shown(capsys)["backends.main.region"]["value"] == "${PLACE} (not set: PLACE)"


# --- config check --------------------------------------------------------------------------------


def test_check_says_who_serves_what(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    served = {row["operation"]: [choice["backend"] for choice in row["choices"]] for row in found["operations"]}
    assert served["vision.read_text"] == ["main", "spare"]
    assert served["speech.transcribe"] == ["spare"]
    assert set(served) == set(operations())
    assert found["ok"] is True


def test_an_unknown_price_is_said_to_be_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("vision.read_text"))
    assert row.split() == ["vision.read_text", "main", "spare", "yes", "unknown"]


def test_a_backend_that_can_not_be_opened_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    Path("cloudai.toml").write_text('[backends.a]\nprovider = "fake"\nanswers = "missing.json"\n')
    assert main(["config", "check"]) == 2
    out, err = capsys.readouterr()
    assert "vision.read_text" in out
    assert [line.split()[:2] for line in out.splitlines() if "skipped" in line] == [["(all)", "a"]]
    assert err.startswith("cloudai: a: ")
    assert "missing.json" in err


# --- backends, operations ------------------------------------------------------------------------


def test_backends_lists_what_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backends", "main", "--json"]) == 0
    (backend,) = json.loads(capsys.readouterr().out)["backends"]
    assert (backend["name"], backend["provider"], backend["region"]) == ("main", "fake", "here-1")
    assert set(backend["serves"]) | set(backend["gaps"]) == set(operations())


def test_the_matrix_has_every_operation_and_a_reason_for_all_but_a_plain_yes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["operations", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["operations"]
    assert set(found) == set(operations())
    for operation in found.values():
        assert set(operation["providers"]) >= {"aws", "gcp", "azure", "local"}
        assert all(row["support"] == "yes" or row["reason"] for row in operation["providers"].values())


def test_a_star_marks_what_is_offered_but_not_called_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["operations"]
    assert main(["operations"]) == 0
    lines = capsys.readouterr().out.splitlines()
    head, rows = lines[0].split(), {line.split()[0]: line.split() for line in lines[1 : len(found) + 1]}
    for name, operation in found.items():
        for provider, declared in operation["providers"].items():
            starred = declared["support"] != "no" and not declared["implemented"]
            assert rows[name][head.index(provider)] == declared["support"] + ("*" if starred else "")


def test_one_operation_shows_limits_features_and_dates(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "--operation", "speech.transcribe"]) == 0
    out = capsys.readouterr().out
    for provider, declared in builtin_capabilities().items():
        operation = declared.operations["speech.transcribe"]
        assert f"({provider}): {operation.support}" in out
        assert all(feature in out for feature in operation.features)


def test_an_operation_may_be_written_as_its_verb_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["operations", "--operation", "vision.read-text"]) == 0


# --- doctor --------------------------------------------------------------------------------------


def doctor(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[tuple[str, str], dict[str, str]]]:
    status = main(["doctor", "--json", *argv])
    findings = json.loads(capsys.readouterr().out)["findings"]
    return status, {(row["section"], row["name"]): row for row in findings}


def test_doctor_names_credentials_and_never_shows_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA-very-secret")
    file = Path.home() / ".aws" / "credentials"
    file.parent.mkdir()
    file.write_text("[default]\naws_secret_access_key = very-secret\n")
    status, found = doctor(capsys)
    assert status == 0
    row = found["credentials", "aws"]
    assert row["state"] == "ok"
    assert row["detail"] == "found $AWS_ACCESS_KEY_ID, ~/.aws/credentials"
    assert "secret" not in json.dumps(list(found.values()))


def test_doctor_fails_on_a_config_that_can_not_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    Path("cloudai.toml").write_text('[backends.a]\nprovider = "fakr"\n')
    status, found = doctor(capsys)
    assert status == 1
    assert any(row["state"] == "error" and "fakr" in row["detail"] for row in found.values())


def test_doctor_tries_the_local_engines(capsys: pytest.CaptureFixture[str]) -> None:
    Path("cloudai.toml").unlink()
    status, found = doctor(capsys)
    assert status == 0
    text = found["tried on local", "vision.read_text"]
    assert text["state"] == "ok"
    assert "42" in text["detail"].partition(" from ")[0]
    assert found["tried on local", "translation.detect_language"]["detail"].startswith(
        "took an English sentence for en"
    )


def test_doctor_can_look_without_trying(capsys: pytest.CaptureFixture[str]) -> None:
    Path("cloudai.toml").unlink()
    status, found = doctor(capsys, "--no-calls")
    assert status == 0
    assert ("operations of local", "vision.read_text") in found


# --- completion and docs -------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_knows_commands_verbs_and_flags(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("estimate", "read-text", "transcribe", "deadline", "doctor"):
        assert word in script


def complete(line: str) -> list[str]:
    """What bash offers for the last word of a line."""
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    code = (
        "source /dev/stdin; fn=$(complete -p cloudai | sed 's/.*-F \\([^ ]*\\).*/\\1/');"
        f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMP_POINT={len(line)};"
        f"$fn cloudai '{words[-1]}' '{words[-2]}'; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    return subprocess.run(["bash", "-c", code], input=_bash_script(), capture_output=True, text=True).stdout.split()


def _bash_script() -> str:
    import io
    from contextlib import redirect_stdout

    buffer = io.StringIO()
    with redirect_stdout(buffer):
        assert main(["completion", "bash"]) == 0
    return buffer.getvalue()


def test_bash_completes_verbs_flags_and_choices() -> None:
    assert complete("cloudai visi") == ["vision"]
    assert "read-text" in complete("cloudai vision read")
    assert "--min-confidence" in complete("cloudai vision read-text --min")
    assert complete("cloudai translate --formality f") == ["formal"]


def test_the_reference_in_the_docs_is_of_today() -> None:
    document = DOCS.read_text(encoding="utf-8")
    assert updated(document) == document, "run: python -m cloudai.cli.reference docs/cli.md"


def test_every_exit_code_is_in_the_docs() -> None:
    document = DOCS.read_text(encoding="utf-8")
    assert all(f"| {code} |" in document for code in (0, 1, 2, 3, 4, 130, 141))
