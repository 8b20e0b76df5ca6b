"""The catalog against the vendors' own descriptions: botocore's models, Google's and Azure's installed clients."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from fnmatch import fnmatchcase

import botocore.session
import pytest
from botocore import xform_name

from cloudai.capabilities import FEATURES, builtin_capabilities
from cloudai.lockin.catalog import Service, services, vendors
from cloudai.lockin.scanned import OTHER
from cloudai_pricing.operations import operations

ALL = {f"{s.provider}.{s.id}": s for vendor in vendors() for s in vendor.services}
GOOGLE = {
    "vision": ("google.cloud.vision", ("ImageAnnotatorClient", "ProductSearchClient")),
    "documentai": ("google.cloud.documentai", ("DocumentProcessorServiceClient",)),
    "speech": ("google.cloud.speech_v2", ("SpeechClient",)),
    "texttospeech": ("google.cloud.texttospeech", ("TextToSpeechClient", "TextToSpeechLongAudioSynthesizeClient")),
    "translate": ("google.cloud.translate_v3", ("TranslationServiceClient",)),
}
AZURE = {
    "vision": ("azure.ai.vision.imageanalysis", ("ImageAnalysisClient",)),
    "face": ("azure.ai.vision.face", ("FaceClient",)),
    "documentintelligence": ("azure.ai.documentintelligence", ("DocumentIntelligenceClient",)),
    "contentsafety": ("azure.ai.contentsafety", ("ContentSafetyClient",)),
    "translator": ("azure.ai.translation.text", ("TextTranslationClient",)),
    "transcription": ("azure.ai.transcription", ("TranscriptionClient",)),
}


def named(service: Service) -> list[str]:
    tables = (service.methods, service.class_methods, service.class_operations, service.functions, service.tasks)
    rest = [*service.fields.values(), *service.rest.values(), service.default]
    return [value for table in tables for value in table.values()] + rest


@pytest.mark.parametrize("name", ALL)
def test_every_operation_and_feature_named_is_one_of_the_vocabulary(name: str) -> None:
    service = ALL[name]
    known = {*operations(), OTHER, ""}
    assert {value for value in named(service) if value.partition(":")[0] not in known} == set()
    features = {feature for values in FEATURES.values() for feature in values}
    used = {*service.features.values(), *(f for table in service.field_features.values() for f in table.values())}
    assert used <= features


@pytest.mark.parametrize("name", ALL)
def test_declared_names_models_and_ends_are_those_of_the_capabilities(name: str) -> None:
    service = ALL[name]
    declared = builtin_capabilities()[service.provider]
    known = {o.service for o in declared.operations.values()} | {m.service for m in declared.model_exports}
    known |= {event.service for event in declared.lifecycle}
    assert set(service.declared) <= known
    assert set(service.models.values()) <= {model.service for model in declared.model_exports}
    own = [event.feature for event in declared.lifecycle if event.service in service.declared]
    for pattern in (*service.retiring.values(), *service.retiring_modules.values()):
        assert any(fnmatchcase(feature, pattern) for feature in own), pattern


@pytest.mark.parametrize("service", [s for s in ALL.values() if s.boto], ids=lambda s: s.id)
def test_boto_services_and_their_methods_are_botocores(service: Service) -> None:
    session = botocore.session.get_session()
    available = set(session.get_available_services())
    current = [name for name in service.boto if name in available]
    if not current:
        assert service.id == "lookoutvision"  # out of botocore since the service ended
        return
    methods = {xform_name(op) for name in current for op in session.get_service_model(name).operation_names}
    waiting = set(session.get_component("data_loader").list_available_services("waiters-2")) & set(current)
    methods |= {xform_name(waiter) for name in waiting for waiter in session.get_waiter_model(name).waiter_names}
    if service.modules or service.id == "sagemaker":
        return  # a client library with methods of its own is mixed in
    assert [pattern for pattern in service.methods if not any(fnmatchcase(m, pattern) for m in methods)] == []


@pytest.mark.parametrize("name", [*(f"gcp.{n}" for n in GOOGLE), *(f"azure.{n}" for n in AZURE)])
def test_clients_and_exact_methods_are_those_of_the_installed_packages(name: str) -> None:
    provider, _, short = name.partition(".")
    module, classes = (GOOGLE if provider == "gcp" else AZURE)[short]
    package = importlib.import_module(module)
    service = ALL[name]
    known = {m for cls in classes for m, _ in inspect.getmembers(getattr(package, cls), callable)}
    assert all(service.is_client(cls) for cls in classes)
    told = [m for m in known if not m.startswith("_") and service.method(classes[0], m) is not None]
    assert told, "no method of the client is in the catalog"


def test_services_have_one_object_each() -> None:
    assert len(services()) == len(ALL) + 1


def test_the_scan_imports_no_vendor_sdk_and_nothing_heavy() -> None:
    code = (
        "import sys; from cloudai.lockin import scan; before = set(sys.modules); scan(sys.argv[1]);"
        "heavy = {'boto3', 'botocore', 'google.auth', 'google.cloud.vision', 'azure.core', 'pydantic', 'httpx'};"
        "heavy |= {'numpy', 'rich', 'tenacity'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    target = str(importlib.import_module("cloudai.lockin").__file__)
    done = subprocess.run([sys.executable, "-c", code, target], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
