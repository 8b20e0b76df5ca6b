"""Retirements by the day, and every kind of custom model that a provider declares, found in code that uses it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from cloudai.capabilities import builtin_capabilities
from cloudai.lockin import Scan, scan

ANALYSIS = "from azure.ai.vision.imageanalysis import ImageAnalysisClient\nImageAnalysisClient('e', None).analyze()\n"
END = date(2028, 9, 25)

USES: dict[tuple[str, str], str] = {
    ("aws", "Rekognition Custom Labels"): 'import boto3\nboto3.client("rekognition").detect_custom_labels(Image={})',
    ("aws", "Rekognition face collections / moderation adapters"): (
        'import boto3\nboto3.client("rekognition").index_faces(CollectionId="a")'
    ),
    ("aws", "SageMaker training jobs"): (
        'import boto3\nboto3.client("sagemaker").create_training_job(TrainingJobName="a")'
    ),
    (
        "aws",
        "SageMaker AutoML (V2)",
    ): 'import boto3\nboto3.client("sagemaker").create_auto_ml_job_v2(AutoMLJobName="a")',
    ("aws", "Transcribe custom language model"): (
        'import boto3\nboto3.client("transcribe").create_language_model(LanguageCode="en-US")'
    ),
    ("aws", "Translate terminology / parallel data"): (
        'import boto3\nboto3.client("translate").translate_text(Text="a", TerminologyNames=["b"])'
    ),
    (
        "aws",
        "Comprehend custom",
    ): 'import boto3\nboto3.client("comprehend").create_document_classifier(LanguageCode="en")',
    ("aws", "Textract adapters"): 'import boto3\nboto3.client("textract").analyze_document(AdaptersConfig={})',
    ("aws", "Polly lexicons"): 'import boto3\nboto3.client("polly").synthesize_speech(Text="a", LexiconNames=["b"])',
    ("gcp", "Vertex AutoML image classification"): (
        "from google.cloud import aiplatform as ai\n"
        'ai.AutoMLImageTrainingJob(display_name="a", prediction_type="classification").run()'
    ),
    ("gcp", "Vertex AutoML object detection"): (
        "from google.cloud import aiplatform as ai\n"
        'ai.AutoMLImageTrainingJob(display_name="a", prediction_type="object_detection").run()'
    ),
    ("gcp", "Vertex AutoML video classification"): (
        'from google.cloud import aiplatform as ai\nai.AutoMLVideoTrainingJob(display_name="a").run()'
    ),
    ("gcp", "Vertex custom-trained or uploaded model"): (
        'from google.cloud import aiplatform as ai\nai.CustomTrainingJob(display_name="a").run()'
    ),
    ("gcp", "Translation custom model (AutoML/native)"): (
        "from google.cloud import translate_v3\n"
        'translate_v3.TranslationServiceClient().create_model(parent="a", model={})'
    ),
    ("gcp", "Translation glossary"): (
        'from google.cloud import translate_v3\ntranslate_v3.TranslationServiceClient().create_glossary(parent="a")'
    ),
    ("gcp", "Document AI custom processors"): (
        "from google.cloud import documentai\n"
        'documentai.DocumentProcessorServiceClient().train_processor_version(parent="a")'
    ),
    ("gcp", "Speech v2 phrase sets / custom classes"): (
        'from google.cloud import speech_v2\nspeech_v2.SpeechClient().create_phrase_set(parent="a")'
    ),
    ("azure", "Custom Vision"): (
        "from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient\n"
        'CustomVisionTrainingClient("e", None).train_project("p")'
    ),
    ("azure", "Azure Machine Learning jobs"): (
        'from azure.ai.ml import MLClient, command\nMLClient(None).jobs.create_or_update(command(code="."))'
    ),
    ("azure", "Azure ML AutoML images"): (
        "from azure.ai.ml import MLClient, automl\nMLClient(None).jobs.create_or_update(automl.image_classification())"
    ),
    ("azure", "Custom speech"): (
        'import azure.cognitiveservices.speech as sdk\nc = sdk.SpeechConfig("k", "r")\nc.endpoint_id = "1-2"'
    ),
    ("azure", "Custom (professional) voice"): (
        "import azure.cognitiveservices.speech as sdk\n"
        'c = sdk.SpeechConfig("k", "r")\nc.endpoint_id = "1-2"\nsdk.SpeechSynthesizer(c).speak_text("a")'
    ),
    ("azure", "Custom Translator"): (
        "from azure.ai.translation.text import TextTranslationClient\n"
        'TextTranslationClient().translate(body=["a"], to_language=["de"], category="c-TECH")'
    ),
    ("azure", "Document Intelligence custom"): (
        "from azure.ai.documentintelligence import DocumentIntelligenceAdministrationClient as Admin\n"
        'Admin("e", None).begin_build_document_model({})'
    ),
}


def declared() -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for provider in ("aws", "gcp", "azure"):
        for row in builtin_capabilities()[provider].model_exports:
            found.setdefault((provider, row.service), set()).add(row.exportable)
    return found


def test_every_declared_kind_of_model_has_code_that_uses_it() -> None:
    assert set(USES) == set(declared())


@pytest.mark.parametrize("kind", USES, ids="/".join)
def test_a_model_in_use_is_told_with_the_worst_of_what_is_declared(
    kind: tuple[str, str], scanned: Callable[..., Scan]
) -> None:
    worst = min(declared()[kind], key=("no", "data-only", "yes").index)
    models = scanned(a=USES[kind]).models
    assert (*kind, worst) in {(model.provider, model.service, model.exportable) for model in models}
    assert all(model.source.startswith("https://") for model in models)


@pytest.mark.parametrize(
    ("as_of", "months", "days", "within"),
    [
        (date(2025, 9, 25), 36, (END - date(2025, 9, 25)).days, True),
        (date(2025, 9, 24), 36, (END - date(2025, 9, 24)).days, False),
        (END, 0, 0, True),
        (END - timedelta(days=1), 0, 1, False),
        (END + timedelta(days=5), 0, -5, True),
    ],
)
def test_an_end_is_in_range_up_to_the_last_day_of_the_horizon(
    tmp_path: Path, as_of: date, months: int, days: int, within: bool
) -> None:
    (tmp_path / "a.py").write_text(ANALYSIS, encoding="utf-8")
    (retirement,) = scan(tmp_path, as_of=as_of, horizon_months=months).retirements
    assert (retirement.ends_on, retirement.days, retirement.in_range) == (END, days, within)


def test_every_end_that_a_service_of_the_catalog_announces_has_a_date_or_none_and_a_source() -> None:
    for capabilities in builtin_capabilities().values():
        for event in capabilities.lifecycle:
            assert event.source.startswith("https://")
            assert event.as_of
