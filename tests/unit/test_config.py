"""The config file: what it may say, where it is found, and what each mistake answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloudai.config import expand, find_config, load_config
from cloudai.errors import CloudAIError, ConfigError, ErrorCode
from cloudai.registry import ProviderEntry, Registry


def write(folder: Path, text: str, name: str = "cloudai.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


FULL = """\
[backends.fake-a]
provider = "fake"
region = "eu-west-1"

[backends.here]
provider = "local"
models = "./models"

[routes]
"vision.*" = ["fake-a", "here"]
"speech.transcribe" = "here"
"translation.translate" = { backends = ["here", "fake-a"], strategy = "ordered" }

[policy]
timeout = "500ms"
deadline = "2m"
max_attempts = 5

[inputs]
max_pixels = 1000
allow_hosts = ["127.0.0.1:8080"]
"""


def test_every_section_is_typed(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, FULL), environ={})
    assert config.policy.timeout == 0.5
    assert config.policy.deadline == 120.0
    assert config.policy.max_attempts == 5
    assert config.inputs.max_pixels == 1000
    assert config.inputs.allow_hosts == frozenset({"127.0.0.1:8080"})
    assert config.backends["here"].values["models"] == "./models"


def test_the_most_exact_route_wins(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, FULL + '\n[routes."*"]\nbackends = "here"\n'), environ={})
    assert (route := config.route("vision.read_text")) is not None
    assert route.backends == ("fake-a", "here")
    assert (route := config.route("speech.transcribe")) is not None
    assert route.backends == ("here",)
    assert (route := config.route("custom.predict")) is not None
    assert route.pattern == "*"


def test_no_file_means_everything_is_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    config = load_config(environ={})
    assert config.source is None
    assert (route := config.route("vision.read_text")) is not None
    assert route.backends == ("local",)


def test_one_backend_without_routes_serves_everything(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, '[backends.a]\nprovider = "fake"\n'), environ={})
    assert config.used_backends == ("a",)


def test_several_backends_without_routes_are_refused_not_guessed(tmp_path: Path) -> None:
    text = '[backends.a]\nprovider = "fake"\n[backends.b]\nprovider = "local"\n'
    with pytest.raises(ConfigError, match=r"2 backends and no \[routes\]"):
        load_config(write(tmp_path, text), environ={})


def test_the_file_is_found_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, FULL)
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert find_config(environ={}) == path


def test_pyproject_table_is_read_and_its_lines_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, '[project]\nname = "x"\n[tool.cloudai.policy]\ntimeout = "soon"\n', "pyproject.toml")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"pyproject\.toml:4: 'soon' is not a duration"):
        load_config(environ={})


def test_a_pyproject_without_our_table_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outer = write(tmp_path, FULL)
    (tmp_path / "inner").mkdir()
    write(tmp_path / "inner", '[project]\nname = "x"\n', "pyproject.toml")
    monkeypatch.chdir(tmp_path / "inner")
    assert find_config(environ={}) == outer


def test_environment_names_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, FULL, "other.toml")
    assert find_config(environ={"CLOUDAI_CONFIG": str(path)}) == path


def test_environment_routes_come_before_exact_routes_of_the_file(tmp_path: Path) -> None:
    environ = {"CLOUDAI_ROUTES": json.dumps({"speech.*": "fake-a"})}
    config = load_config(write(tmp_path, FULL), environ=environ)
    assert (route := config.route("speech.transcribe")) is not None
    assert route.backends == ("fake-a",)
    assert str(route.origin) == "environment CLOUDAI_ROUTES"
    assert (route := config.route("vision.read_text")) is not None
    assert route.backends == ("fake-a", "here")


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, FULL), environ={})
    settings = Registry.installed().get("local").settings(config.backends["here"])
    assert settings.model_dump()["models"] == tmp_path / "models"


MISTAKES = {
    "unknown section": ("[polcy]\n", r"cloudai\.toml:1: unknown key 'polcy': did you mean 'policy'"),
    "unknown policy key": (
        '[policy]\ntimout = "1s"\n',
        r"cloudai\.toml:2: unknown key 'timout' in \[policy\]: did you",
    ),
    "bad duration": ('[policy]\n\ntimeout = "1 week"\n', r"cloudai\.toml:3: '1 week' is not a duration"),
    "zero duration": ('[policy]\ntimeout = "0s"\n', r"cloudai\.toml:2: '0s' is not a duration"),
    "bare number": ("[policy]\ntimeout = 20\n", r"cloudai\.toml:2: 20 is not a duration"),
    "attempts": ("[policy]\nmax_attempts = 0\n", r"cloudai\.toml:2: max_attempts is a whole number of 1 or more"),
    "unknown operation": (
        '[routes]\n"vision.read_txt" = "local"\n',
        r"cloudai\.toml:2: route 'vision.read_txt' .* did you",
    ),
    "unknown backend": ('[routes]\n"*" = "lokal"\n', r"cloudai\.toml:2: route \"\*\" names backend 'lokal'"),
    "empty route": ('[routes]\n"*" = []\n', r"cloudai\.toml:2: route \"\*\" needs a backend name"),
    "weights of another strategy": (
        '[routes]\n"*" = { backends = "local", weights = { local = 1 } }\n',
        r'cloudai\.toml:2: weights are for strategy = "weighted"',
    ),
    "weight of nobody": (
        '[routes]\n"*" = { backends = "local", strategy = "weighted", weights = { lokal = 1 } }\n',
        r"cloudai\.toml:2: weights names 'lokal', which is not on the route: did you mean 'local'",
    ),
    "all weights zero": (
        '[routes]\n"*" = { backends = "local", strategy = "weighted", weights = { local = 0 } }\n',
        r"cloudai\.toml:2: all weights are 0",
    ),
    "residency": (
        '[routes]\n"*" = { backends = "local", residency = "germania" }\n',
        r"cloudai\.toml:2: unknown residency 'germania': did you mean 'germany'",
    ),
    "feature of a wildcard": (
        '[routes]\n"speech.*" = { backends = "local", needs = ["diarization"] }\n',
        r"cloudai\.toml:2: speech\.\* has no feature 'diarization': name one operation",
    ),
    "feature": (
        '[routes]\n"speech.transcribe" = { backends = "local", needs = ["diarisation"] }\n',
        r"cloudai\.toml:2: .* has no feature 'diarisation': did you mean 'diarization'",
    ),
    "max cost": (
        '[routes]\n"*" = { backends = "local", max_cost = "1 EUR" }\n',
        r"cloudai\.toml:2: max_cost is an amount such as \"0\.01 USD\", not '1 EUR'",
    ),
    "detector": (
        '[routes]\n"*" = { backends = "local", redact = ["e-mail"] }\n',
        r"cloudai\.toml:2: redact: unknown detector 'e-mail': did you mean 'email'",
    ),
    "cache": (
        '[routes]\n"*" = { backends = "local", cache = { max_age = "soon" } }\n',
        r"cloudai\.toml:2: 'soon' is not a duration",
    ),
    "rate": (
        '[rates.local]\n"*" = "5 per second"\n',
        r"cloudai\.toml:2: '5 per second' is not a rate such as",
    ),
    "rate of nobody": (
        '[rates.lokal]\n"*" = "5/s"\n',
        r"cloudai\.toml:1: no backend 'lokal'",
    ),
    "unknown strategy": (
        '[routes]\n"*" = { backends = "local", strategy = "order" }\n',
        r"cloudai\.toml:2: unknown strategy 'order': did you mean 'ordered'",
    ),
    "unknown route key": ('[routes]\n"*" = { backend = "local" }\n', r"unknown key 'backend' in route: did you mean"),
    "backend without provider": ("[backends.a]\nregion = 'x'\n", r"cloudai\.toml:1: \[backends.a\] needs provider"),
    "backend not a table": ("[backends]\na = 1\n", r"cloudai\.toml:2: \[backends.a\] must be a table"),
    "budget": ('[budget]\nmonthly = "500 EUR"\n', r"cloudai\.toml:2: monthly = '500 EUR' is not an amount"),
    "not toml": ("[policy\n", r"cloudai\.toml:1: "),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_names_file_line_and_remedy(case: str, tmp_path: Path) -> None:
    text, message = MISTAKES[case]
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(write(tmp_path, text), environ={})
    assert caught.value.code is ErrorCode.INVALID_INPUT


def test_a_backend_that_is_asked_for_and_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, '[backends.amazon]\nprovider = "aws"\n'), environ={})
    with pytest.raises(ConfigError, match=r"no backend 'amzon' in \[backends\]: did you mean 'amazon'\?"):
        config.only("amzon")
    with pytest.raises(ConfigError, match=r"no backend 'nope' in \[backends\]; known: amazon"):
        config.only("nope")


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cloudai config init"):
        load_config(tmp_path / "nowhere.toml", environ={})


@pytest.mark.parametrize(
    ("value", "message"), [("{", "not JSON"), ("[]", "must be an object"), ('{"x.y": "local"}', "matches no")]
)
def test_wrong_environment_routes(value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(environ={"CLOUDAI_ROUTES": value, "CLOUDAI_CONFIG": ""})


def test_variables_are_replaced_and_a_missing_one_is_named_with_its_line(tmp_path: Path) -> None:
    text = '[backends.a]\nprovider = "fake"\napi_key = "${FAKE_KEY}"\n'
    config = load_config(write(tmp_path, text), environ={})
    assert expand(config.backends["a"], {"FAKE_KEY": "s3cret"})["api_key"] == "s3cret"
    with pytest.raises(
        ConfigError, match=r"cloudai\.toml:3: environment variable FAKE_KEY is not set \(backends.a.api_key\)"
    ):
        expand(config.backends["a"], {})


def test_a_literal_secret_is_a_warning_that_does_not_show_it(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, '[backends.a]\nprovider = "fake"\napi_key = "s3cret"\n'), environ={})
    assert len(config.warnings) == 1
    assert "cloudai.toml:3" in config.warnings[0]
    assert "s3cret" not in config.warnings[0]
    assert "s3cret" not in repr(config)


def test_a_provider_key_that_does_not_exist_names_the_nearest(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, '[backends.a]\nprovider = "fake"\nregoin = "eu"\n'), environ={})
    with pytest.raises(ConfigError, match=r"cloudai\.toml:3: unknown key backends.a.regoin: did you mean 'region'"):
        Registry.installed().get("fake").settings(config.backends["a"])


def test_a_wrong_type_names_the_key_but_never_the_value(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, '[backends.a]\nprovider = "fake"\napi_key = 12345\n'), environ={})
    with pytest.raises(ConfigError, match=r"cloudai\.toml:3: backends.a.api_key") as caught:
        Registry.installed().get("fake").settings(config.backends["a"])
    assert "12345" not in str(caught.value)


def test_an_unknown_provider_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown provider 'awz': did you mean 'aws'"):
        Registry.installed().get("awz")


def test_two_distributions_claiming_one_name_are_an_error_naming_both() -> None:
    one = ProviderEntry(name="acme", distribution="acme-cloudai", target="acme.provider:PROVIDER")
    two = ProviderEntry(name="acme", distribution="other-cloudai", target="other.provider:PROVIDER")
    with pytest.raises(ConfigError, match="claimed by two distributions: acme-cloudai and other-cloudai"):
        Registry.of([one, two])


def test_one_distribution_seen_twice_on_the_path_is_not_two() -> None:
    one = ProviderEntry(name="acme", distribution="acme-cloudai", target="acme.provider:PROVIDER")
    assert Registry.of([one, one]).names == ("acme",)


def test_a_provider_whose_module_cannot_be_imported_says_the_install_line() -> None:
    entry = ProviderEntry(name="acme", distribution="acme-cloudai", target="no_such_package.provider:PROVIDER")
    with pytest.raises(CloudAIError, match="pip install --upgrade acme-cloudai"):
        _ = entry.provider
