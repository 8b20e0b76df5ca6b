"""The provider's object and what surrounds its engines: light to import, honest about what is missing."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import onnxruntime
import pytest

from cloudai.driver import Call
from cloudai.errors import ErrorCode, InvalidInput
from cloudai.operations import TYPES
from cloudai.types.translation import DetectLanguageRequest
from cloudai_local.driver import LocalDriver
from cloudai_local.provider import PROVIDER
from cloudai_local.settings import LocalOptions, LocalSettings


def driver(**settings: object) -> LocalDriver:
    return PROVIDER.open(LocalSettings.model_validate({"provider": "local", **settings}), backend="here")


def test_the_entry_point_is_this_provider() -> None:
    (found,) = [point for point in entry_points(group="cloudai.providers") if point.name == "local"]
    assert found.load() is PROVIDER


def test_every_operation_it_implements_is_a_method_of_the_driver() -> None:
    for operation in PROVIDER.implements:
        assert operation in TYPES
        assert callable(getattr(LocalDriver, operation.partition(".")[2]))


def test_looking_at_the_provider_loads_nothing_heavy() -> None:
    code = (
        "import sys; from cloudai_local.provider import PROVIDER; PROVIDER.implements, PROVIDER.name;"
        "print(sorted({'numpy', 'onnxruntime', 'pydantic', 'PIL', 'cv2'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_opening_it_and_asking_what_is_missing_loads_no_runtime() -> None:
    code = (
        "import sys; from cloudai_local.provider import PROVIDER;"
        "driver = PROVIDER.open(PROVIDER.settings(provider='local'), backend='here'); driver.unavailable();"
        "print(sorted({'onnxruntime', 'cv2', 'rapidocr', 'ctranslate2'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_operations_without_a_model_folder_say_how_to_add_one(tmp_path: Path) -> None:
    gaps = driver(models=tmp_path).unavailable()
    assert {"vision.detect_labels", "vision.detect_objects"} <= set(gaps)
    assert "cloudai local models add PATH" in gaps["vision.detect_labels"]
    assert "custom.predict" not in gaps


def test_an_operation_that_its_folder_can_serve_is_available(tmp_path: Path) -> None:
    (tmp_path / "finder").mkdir()
    (tmp_path / "finder" / "model.toml").write_text('task = "detect"\n')
    assert "vision.detect_objects" not in driver(models=tmp_path).unavailable()


def test_an_engine_that_nobody_has_is_refused_by_name() -> None:
    request = DetectLanguageRequest(texts=["bonjour tout le monde"])
    with pytest.raises(InvalidInput, match="no engine 'oracle' for translation"):
        driver().detect_language(request, Call(timeout=5, options=LocalOptions(engine="oracle")))
    settled = driver(engines={"translation.detect_language": "oracle"})
    with pytest.raises(InvalidInput, match="no engine 'oracle'"):
        settled.detect_language(request, Call(timeout=5))
    assert "no engine 'oracle'" in settled.unavailable()["translation.detect_language"]


def test_closing_an_unused_driver_is_fine() -> None:
    here = driver()
    here.close()
    assert here.client == {}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("InvalidArgument", ErrorCode.INVALID_INPUT),
        ("NoSuchFile", ErrorCode.NOT_FOUND),
        ("NotImplemented", ErrorCode.UNSUPPORTED),
        ("Fail", ErrorCode.INTERNAL),
        ("RuntimeException", ErrorCode.INTERNAL),
        ("EPFail", ErrorCode.INTERNAL),
    ],
)
def test_onnx_runtime_s_errors_are_told_by_their_class(name: str, code: ErrorCode) -> None:
    error = getattr(onnxruntime.capi.onnxruntime_pybind11_state, name)("first line\nsecond line")
    fault = driver().classify(error)
    assert fault is not None
    assert (fault.code, fault.message) == (code, "first line")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (subprocess.TimeoutExpired(["espeak-ng"], 5), ErrorCode.DEADLINE_EXCEEDED),
        (subprocess.CalledProcessError(1, ["apertium"]), ErrorCode.INTERNAL),
        (FileNotFoundError("weights.bin"), ErrorCode.NOT_FOUND),
        (PermissionError("weights.bin"), ErrorCode.PERMISSION_DENIED),
        (MemoryError(), ErrorCode.TOO_LARGE),
    ],
)
def test_errors_of_files_and_programs_have_codes(error: Exception, code: ErrorCode) -> None:
    fault = driver().classify(error)
    assert fault is not None
    assert fault.code is code
    assert fault.message


def test_our_own_defects_are_not_passed_off_as_an_engine_s() -> None:
    assert driver().classify(KeyError("x")) is None
