"""Capability declarations: what the built-in ones hold, and that reading is strict, typed and imports nothing."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudai.capabilities import (
    BUILTIN,
    FEATURES,
    LIMITS,
    SUPPORT,
    Capabilities,
    CapabilityError,
    Operation,
    Support,
    as_planner_data,
    builtin_capabilities,
    find_capabilities,
    load_capabilities,
)
from cloudai.errors import CloudAIError, ErrorCode
from cloudai_pricing.operations import operations

SMALL = """\
schema = "cloudai.capabilities/1"
provider = "acme"
title = "Acme"
auth = "API key"

[credentials]
env = ["ACME_KEY"]
files = []

[[operation]]
name = "vision.read_text"
support = "partial"
reason = "Latin script only"
mode = ["sync"]
sources = ["bytes", "url"]
retires = "2028-09-25"
source = "https://acme.example/docs"
as_of = "2026-11"

[operation.semantics]
confidence = "percent"

[operation.limits]
max_bytes = 5_242_880
max_batch = 16

[operation.job_limits]
max_seconds = 28_800

[operation.features.polygons]
support = "no"
reason = "Boxes only"

[[model_export]]
service = "Acme Custom"
model_kind = "classifier"
exportable = "data-only"
source = "https://acme.example/export"
as_of = "2026"

[[lifecycle]]
service = "Acme OCR"
feature = "v1"
event = "retired"
ends = "2027-01"
operations = ["vision.read_text"]
source = "https://acme.example/changes"
as_of = "2026-11-21"
"""


def load(tmp_path: Path, text: str) -> Capabilities:
    folder = tmp_path / "acme"
    folder.mkdir(exist_ok=True)
    (folder / "capabilities.toml").write_text(text, encoding="utf-8")
    return load_capabilities(folder / "capabilities.toml")


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(CapabilityError) as caught:
        load(tmp_path, text)
    assert caught.value.code is ErrorCode.INVALID_INPUT
    return str(caught.value)


# --- what the built-in declarations hold ---------------------------------------------------------


@pytest.mark.parametrize("provider", BUILTIN)
def test_every_operation_of_the_vocabulary_is_declared_in_its_order(provider: str) -> None:
    declared = builtin_capabilities()[provider]
    assert declared.provider == provider
    assert list(declared.operations) == list(operations())


@pytest.mark.parametrize("provider", BUILTIN)
def test_every_feature_of_an_operation_is_answered(provider: str) -> None:
    for name, known in FEATURES.items():
        assert tuple(builtin_capabilities()[provider].operations[name].features) == known


@pytest.mark.parametrize("provider", BUILTIN)
def test_what_is_not_verified_never_stands_in_a_reason(provider: str) -> None:
    declared = builtin_capabilities()[provider]
    for operation in declared.operations.values():
        said = [operation.reason, *(feature.reason for feature in operation.features.values())]
        assert not [text for text in said if "unverified" in text]
    assert not [export for export in declared.model_exports if "unverified" in export.conditions]


def test_an_operation_retires_on_the_day_that_the_lifecycle_names() -> None:
    for declared in builtin_capabilities().values():
        ends = {name: change.ends for change in declared.lifecycle if change.ends for name in change.operations}
        retires = {o.name: str(o.retires) for o in declared.operations.values() if o.retires is not None}
        assert retires == ends


def test_limits_are_the_vendors_own_numbers() -> None:
    caps = builtin_capabilities()
    aws = caps["aws"].operations
    assert (aws["vision.detect_labels"].limits.max_bytes, aws["vision.detect_labels"].limits.min_width) == (5242880, 80)
    assert aws["translation.translate"].limits.max_text_bytes == 10_000
    assert aws["custom.predict"].limits.max_bytes == 6_291_456
    gcp = caps["gcp"].operations
    assert gcp["vision.moderate"].limits.max_batch == 16
    assert gcp["vision.moderate"].limits.max_bytes == 7_862_000  # 10 MB of JSON: base64 and the rest of a request
    assert gcp["speech.transcribe"].limits.max_seconds == 60
    assert gcp["speech.transcribe"].job_limits.max_seconds == 8 * 3600
    azure = caps["azure"].operations
    assert azure["vision.read_text"].limits.max_bytes == 20 * 2**20 - 1  # "less than 20 MB"
    assert azure["translation.translate"].limits.known == {"max_characters": 50_000, "max_batch": 1_000}


def test_local_needs_no_credentials_and_bills_nothing() -> None:
    local = builtin_capabilities()["local"]
    assert (local.credentials.env, local.credentials.files) == ((), ())
    assert {operation.meter for operation in local.operations.values()} == {""}


def test_planner_data_has_the_operation_under_the_empty_name_beside_its_features() -> None:
    data = as_planner_data(builtin_capabilities())
    assert list(data) == list(BUILTIN)
    assert data["aws"]["speech.transcribe"][""] == "partial"
    assert data["aws"]["speech.transcribe"]["diarization"] == "yes"
    assert data["gcp"]["vision.caption"] == {"": "no", "dense": "no"}


# --- reading -------------------------------------------------------------------------------------


def test_a_file_is_read_into_frozen_types(tmp_path: Path) -> None:
    found = load(tmp_path, SMALL)
    operation = found.operation("vision.read_text")
    assert operation is not None
    assert found.operation("vision.moderate") is None
    assert found.extra is None
    assert found.credentials.env == ("ACME_KEY",)
    assert (operation.support, operation.reason, operation.mode) == ("partial", "Latin script only", ("sync",))
    assert (operation.semantics.confidence, operation.semantics.box) == ("percent", "none")
    assert operation.limits.known == {"max_bytes": 5_242_880, "max_batch": 16}
    assert operation.job_limits.known == {"max_seconds": 28_800}
    assert str(operation.retires) == "2028-09-25"
    assert found.model_exports[0].exportable == "data-only"
    assert found.lifecycle[0].ends == "2027-01"
    with pytest.raises(dataclasses.FrozenInstanceError):
        operation.support = "yes"  # type: ignore[misc]


def test_source_and_date_of_an_operation_hold_for_its_limits_and_features(tmp_path: Path) -> None:
    operation = load(tmp_path, SMALL).operations["vision.read_text"]
    mine = ("https://acme.example/docs", "2026-11")
    assert (operation.limits.source, operation.limits.as_of) == mine
    assert (operation.features["polygons"].source, operation.features["polygons"].as_of) == mine
    own = SMALL.replace("max_batch = 16", 'max_batch = 16\nsource = "https://acme.example/limits"')
    assert load(tmp_path, own).operations["vision.read_text"].limits.source == "https://acme.example/limits"


def test_a_declaration_can_be_made_in_code_without_a_file() -> None:
    made = Capabilities(
        provider="mine", title="Mine", operations={"vision.moderate": Operation(name="vision.moderate", support="yes")}
    )
    assert made.operations["vision.moderate"].limits.known == {}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("capabilities/1", "capabilities/2", "acme/capabilities.toml:1: schema: must be 'cloudai.capabilities/1'"),
        ('title = "Acme"', "", "title: is missing"),
        ('title = "Acme"', "title = 3", "toml:3: title: must be text"),
        ('"vision.read_text"\ns', '"vision.read_txt"\ns', "operation[0].name: unknown 'vision.read_txt'. Did you mean"),
        ('"partial"', '"partly"', "toml:12: operation[0].support: unknown 'partly'. Did you mean 'partial'?"),
        ('reason = "Latin script only"', "", "operation[0].reason: is missing: support is 'partial', say in words why"),
        ('reason = "Latin script only"', 'reason = "  "', "operation[0].reason: is missing"),
        ('mode = ["sync"]', 'mode = ["async"]', "operation[0].mode: unknown 'async'. Did you mean 'sync'?"),
        ('mode = ["sync"]', "", "operation[0].mode: is missing"),
        ('mode = ["sync"]', 'mode = "sync"', "operation[0].mode: must be a list"),
        ('["bytes", "url"]', '["bytes", 3]', "operation[0].sources: must be a list of texts"),
        ('confidence = "percent"', 'confidence = "0-100"', "operation[0].semantics.confidence: unknown '0-100'"),
        ('"2028-09-25"', '"2028-09"', "operation[0].retires: '2028-09' is not a day, YYYY-MM-DD"),
        ('"2028-09-25"', '"2028-02-30"', "operation[0].retires: '2028-02-30' is not a day"),
        ('as_of = "2026-11"\n', 'as_of = "November"\n', "operation[0].as_of: 'November' is not YYYY-MM-DD, YYYY-MM or"),
        ('as_of = "2026-11"\n', "", "operation[0].as_of: is missing: every fact has a public URL and the date"),
        ('source = "https://acme.example/docs"', "", "operation[0].source: is missing: every fact"),
        ("https://acme.example/docs", "file:///tmp/docs", "operation[0].source: must be a public https:// address"),
        ("max_batch = 16", "max_batch = 0", "operation[0].limits.max_batch: must be 1 or more; leave out what is not"),
        ("max_batch = 16", "max_batch = 1.5", "operation[0].limits.max_batch: must be a whole number"),
        ("max_batch = 16", "max_batch = true", "operation[0].limits.max_batch: must be a whole number"),
        ("max_batch = 16", "max_size = 16", "operation[0].limits.max_size: unknown key. Did you mean"),
        ("features.polygons", "features.poligons", "unknown feature of vision.read_text. Did you mean 'polygons'?"),
        ('reason = "Boxes only"', "", "operation[0].features.polygons.reason: is missing"),
        (
            "[operation.features.polygons]",
            "[operation.features]\npolygons = 1\n[other]",
            "features.polygons: must be a",
        ),
        ('"data-only"', '"perhaps"', "model_export[0].exportable: unknown 'perhaps'"),
        ('event = "retired"', 'event = "gone"', "lifecycle[0].event: unknown 'gone'"),
        ("[[lifecycle]]", "[lifecycle]", "lifecycle: must be a list"),
    ],
)
def test_a_mistake_is_refused_with_its_key_and_what_to_do(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert SMALL.count(old) >= 1
    assert said in refused(tmp_path, SMALL.replace(old, new, 1))


KNOWN = {*LIMITS, "model_export", "model_kind", "job_limits", "content_types", "closed_to_new"}
HEADERS = [line for line in SMALL.splitlines() if line.startswith("[")]


@given(
    header=st.sampled_from(["", *HEADERS]),
    key=st.from_regex(r"[a-z]{3,8}_[a-z]{3,8}", fullmatch=True).filter(lambda key: key not in KNOWN),
)
def test_an_unknown_key_is_refused_wherever_it_stands(
    tmp_path_factory: pytest.TempPathFactory, header: str, key: str
) -> None:
    line = f'{key} = "x"'
    text = SMALL.replace(header, f"{header}\n{line}", 1) if header else f"{line}\n{SMALL}"
    number = text.splitlines().index(line) + 1
    assert f"capabilities.toml:{number}: " in refused(tmp_path_factory.mktemp("x"), text)


@pytest.mark.parametrize("support", sorted(set(SUPPORT) - {"yes"}))
def test_every_support_but_yes_needs_a_reason(tmp_path: Path, support: str) -> None:
    text = SMALL.replace('"partial"', f'"{support}"').replace('reason = "Latin script only"', "")
    assert f"reason: is missing: support is '{support}'" in refused(tmp_path, text)


def test_an_operation_declared_twice_is_refused(tmp_path: Path) -> None:
    start, end = SMALL.index("[[operation]]"), SMALL.index("[[model_export]]")
    assert "operation[1].name: vision.read_text is declared twice" in refused(
        tmp_path, SMALL[:end] + SMALL[start:end] + SMALL[end:]
    )


def test_what_is_not_offered_has_no_modes_limits_or_features(tmp_path: Path) -> None:
    assert 'operation[0].support: is "no"' in refused(tmp_path, SMALL.replace('"partial"', '"no"'))


def test_retiring_needs_its_day(tmp_path: Path) -> None:
    text = SMALL.replace('"partial"', '"retiring"').replace('retires = "2028-09-25"', "")
    assert "operation[0].retires: is missing: from which day on calls fail" in refused(tmp_path, text)


def test_a_file_without_operations_is_refused(tmp_path: Path) -> None:
    assert "operation: is missing" in refused(tmp_path, SMALL.split("[[operation]]")[0])


def test_a_file_that_is_no_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "acme/capabilities.toml:2: is not valid TOML" in refused(tmp_path, 'schema = "x"\nprovider =\n')


def test_the_words_of_the_type_are_those_of_the_table() -> None:
    assert get_args(Support) == tuple(SUPPORT)


# --- finding -------------------------------------------------------------------------------------


def test_a_third_partys_file_is_found_without_importing_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "acme_things" / "vision"
    package.mkdir(parents=True)
    for folder in (package.parent, package):
        (folder / "__init__.py").write_text("raise RuntimeError('imported')\n", encoding="utf-8")
    (package / "capabilities.toml").write_text(SMALL, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    found = find_capabilities("acme_things.vision")
    assert found == package / "capabilities.toml"
    assert load_capabilities(found).provider == "acme"
    assert not [name for name in sys.modules if name.startswith("acme_things")]


def test_a_package_that_is_missing_or_declares_nothing_is_an_error_in_words() -> None:
    with pytest.raises(CloudAIError, match=r"no_such_package\.provider: this package is not installed"):
        find_capabilities("no_such_package.provider")
    with pytest.raises(CloudAIError, match=r"cloudai_pricing: has no capabilities\.toml beside its __init__\.py"):
        find_capabilities("cloudai_pricing")


def test_reading_imports_no_provider_and_nothing_heavy() -> None:
    program = (
        "import sys; from cloudai.capabilities import builtin_capabilities; builtin_capabilities();"
        "print(*sorted(sys.modules), 'importlib.metadata' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *loaded, metadata = done.stdout.split()
    heavy = {"pydantic", "httpx", "numpy", "PIL", "tenacity", "rich", "boto3"}
    heavy |= {"google.auth", "azure.core", "onnxruntime"}
    assert not heavy & set(loaded)
    assert not [name for name in loaded if name.startswith("cloudai_") and not name.startswith("cloudai_pricing")]
    assert metadata == "False"
