"""What is reserved for a call is never less than what it costs: every operation of every provider, over its server."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))

import aws_client
import azure_client
import gcp_client
from aws_answers import aws

from cloudai import Client
from cloudai.calls.cost import cost_of
from cloudai.capabilities import Capabilities
from cloudai.driver import BilledAs
from cloudai.ledger import micro
from cloudai.ledger.bounds import Bound, bound_of, bound_of_analysis
from cloudai.registry import Registry
from cloudai.testing.samples import SAMPLES, picture, tone
from cloudai.types.custom import Accelerator, BatchPredictRequest, DeployRequest, PredictRequest, TrainingJob
from cloudai.types.media import AudioInfo, ImageInfo, Media, MediaKind
from cloudai.types.results import Model, Result, Usage
from cloudai.types.speech import SynthesizeRequest, TranscribeRequest
from cloudai.types.translation import DetectLanguageRequest, TranslateRequest
from cloudai.types.vision import AnalyzeRequest, DetectLabelsRequest, ReadDocumentRequest
from cloudai_pricing.operations import operations

Ask = Callable[[Client], Result]
ANY: frozenset[str] = frozenset()
HAN = "你好, world: 世界 🌍"

ASKED: dict[str, Ask] = {
    **{name: (lambda client, sample=sample: sample(client)) for name, sample in SAMPLES.items()},  # type: ignore[misc]
    "dense text": lambda c: c.vision.read_text(picture(), dense=True),
    "dense caption": lambda c: c.vision.caption(picture(), dense=True),
    "tables": lambda c: c.vision.read_document(picture(), features=["tables"]),
    "forms": lambda c: c.vision.read_document(picture(), features=["forms"]),
    "forms and tables": lambda c: c.vision.read_document(picture(), features=["forms", "tables"]),
    "questions": lambda c: c.vision.read_document(picture(), queries=["Total?"]),
    "speakers": lambda c: c.speech.transcribe(tone(), language="en-US", diarization=True),
    "channels": lambda c: c.speech.transcribe(tone(), language="en-US", channels=True),
    "Chinese speech": lambda c: c.speech.synthesize(HAN, language="zh-CN"),
    "marks": lambda c: c.speech.synthesize("Hello", language="en-US", speech_marks=True),
    "SSML": lambda c: c.speech.synthesize("<speak>Hi</speak>", ssml=True, language="en-US"),
    "a studio voice": lambda c: c.speech.synthesize("Hello", voice="en-US-Studio-O"),
    "Chinese text": lambda c: c.translation.translate(HAN, source="zh", target="de"),
    "unknown source": lambda c: c.translation.translate(["Good morning", HAN], target="de"),
    "HTML": lambda c: c.translation.translate("<b>Hi</b>", source="en", target="de", format="html"),
    "many languages": lambda c: c.translation.detect_language(["one", HAN, "x" * 1001]),
    "a document of unknown source": lambda c: c.translation.translate_document(b"Good morning.\n", target="es"),
}


@dataclass
class Recorder:
    """What drivers were asked, by the operation's verb."""

    asked: list[tuple[str, Model, object]] = field(default_factory=list)

    def watch(self, driver: type, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, operation in operations().items():
            original = getattr(driver, operation.verb, None)
            if original is not None:
                monkeypatch.setattr(driver, operation.verb, self.recording(name, original))

    def recording(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def method(driver: object, request: Model, call: Any) -> Any:
            self.asked.append((name, request, call.options))
            return original(driver, request, call)

        return method


@pytest.fixture(scope="module", params=["aws", "gcp", "azure"])
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with ExitStack() as stack:
        if request.param == "aws":
            yield stack.enter_context(aws_client.opened(stack.enter_context(aws())))
        elif request.param == "gcp":
            yield stack.enter_context(gcp_client.opened(tmp_path_factory.mktemp("gcp")))[0]
        else:
            yield stack.enter_context(azure_client.opened(strict=False, region="eastus"))[0]


def capabilities(provider: str) -> Capabilities:
    return Registry.installed().get(provider).capabilities


def test_a_bound_is_never_below_the_cost(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from cloudai.errors import CloudAIError

    recorder = Recorder()
    recorder.watch(type(client.driver(client.config.used_backends[0])), monkeypatch)
    with Client(client.config) as watched:
        priced = 0
        for what, ask in ASKED.items():
            recorder.asked.clear()
            try:
                answer = ask(watched)
            except CloudAIError:
                continue  # this provider has it not
            if answer.cost is None:
                continue
            priced += 1
            cost, held = micro(answer.cost.amount), 0
            for operation, request, options in recorder.asked:  # a list may be sent in several requests
                driver = watched.driver(answer.backend)
                told = driver.billed_as(operation, request) if isinstance(driver, BilledAs) and not options else ANY
                bound = bound_of(
                    capabilities(answer.provider), answer.region, operation, request, options=options, variants=told
                )
                assert bound.amount is not None, f"{what}: {bound.reason}"
                held += bound.amount
            assert held >= cost, what
            if answer.operation.startswith("vision.") and "document" not in answer.operation:
                assert held <= 2 * cost, f"{what}: far too much is held"
    assert priced > 15


def usd(bound: Bound) -> Decimal:
    assert bound.amount is not None, bound.reason
    return Decimal(bound.amount) / 1_000_000


PNG = Media(kind=MediaKind.IMAGE, data=b"x", content_type="image/png", image=ImageInfo(width=1, height=1))


def audio(seconds: float | None, channels: int | None = 1) -> Media:
    return Media(
        kind=MediaKind.AUDIO, data=b"x", audio=AudioInfo(duration=seconds, sample_rate=8000, channels=channels)
    )


def test_an_image_is_held_at_exactly_its_price() -> None:
    """So that a budget for ten images lets ten through."""
    request = DetectLabelsRequest(image=PNG)
    prices = {"aws": ("us-east-1", "0.001"), "gcp": (None, "0.0015"), "azure": ("eastus", "0.001")}
    for provider, (region, price) in prices.items():
        assert usd(bound_of(capabilities(provider), region, "vision.detect_labels", request)) == Decimal(price)


def test_a_region_without_a_price_is_unknown_and_not_zero() -> None:
    bound = bound_of(capabilities("aws"), "mars-north-1", "vision.detect_labels", DetectLabelsRequest(image=PNG))
    assert bound.amount is None
    assert "no price of aws for vision.detect_labels in mars-north-1" in bound.reason


def test_this_machine_bills_nothing() -> None:
    request, local = DetectLabelsRequest(image=PNG), capabilities("local")
    assert bound_of(local, None, "vision.detect_labels", request).amount == 0
    program = replace(local, auth="none: a program on this machine")
    assert bound_of(program, None, "vision.detect_labels", request).amount == 0
    with_a_key = replace(local, auth="nonesuch key")
    assert bound_of(with_a_key, None, "vision.detect_labels", request).amount is None


def test_a_document_that_is_not_here_is_held_at_the_most_pages_that_are_taken() -> None:
    stored = Media(kind=MediaKind.DOCUMENT, uri="s3://bucket/key.pdf")
    one = bound_of(capabilities("aws"), "us-east-1", "vision.read_document", ReadDocumentRequest(document=PNG))
    declared = capabilities("aws").operation("vision.read_document")
    assert declared is not None
    bound = bound_of(capabilities("aws"), "us-east-1", "vision.read_document", ReadDocumentRequest(document=stored))
    most = declared.limits.max_pages
    assert bound.amount == (None if most is None else most * (one.amount or 0))


def test_audio_of_unknown_length_is_held_at_the_longest_that_is_taken_or_not_known() -> None:
    for provider, region in (("aws", "us-east-1"), ("gcp", None), ("azure", "eastus")):
        declared = capabilities(provider).operation("speech.transcribe")
        assert declared is not None
        request = TranscribeRequest(audio=audio(None))
        bound = bound_of(capabilities(provider), region, "speech.transcribe", request)
        most = declared.limits.max_seconds
        if most is None:
            assert bound.amount is None
            assert "can't be told before it is sent" in bound.reason
        else:
            known = bound_of(capabilities(provider), region, "speech.transcribe", TranscribeRequest(audio=audio(most)))
            assert bound == known


def test_several_operations_on_several_images_are_the_sum() -> None:
    request = AnalyzeRequest(images=(PNG, PNG, PNG), operations=("vision.detect_labels", "vision.moderate"))
    one = sum(
        bound_of(capabilities("gcp"), None, name, DetectLabelsRequest(image=PNG)).amount or 0
        for name in request.operations
    )
    assert bound_of_analysis(capabilities("gcp"), None, request).amount == 3 * one


def test_options_may_choose_the_dearest_sku() -> None:
    request = SynthesizeRequest(text="Hello", voice="x")
    plain = bound_of(capabilities("azure"), "eastus", "speech.synthesize", request)
    own = bound_of(capabilities("azure"), "eastus", "speech.synthesize", request, options=object())
    assert usd(own) >= usd(plain) > 0


@given(texts=st.lists(st.text(max_size=400), min_size=1, max_size=5), provider=st.sampled_from(["aws", "gcp", "azure"]))
def test_any_texts_are_held_at_no_less_than_their_code_points_cost(texts: list[str], provider: str) -> None:
    region = {"aws": "us-east-1", "gcp": None, "azure": "eastus"}[provider]
    used = sum(len(text) for text in texts)
    spent = [Usage(meter="translation.translate", unit="character", quantity=Decimal(used), variant="standard")]
    request = TranslateRequest(texts=tuple(texts), source="en", target="de")
    cost = cost_of(provider, region, tuple(spent))[0]
    assert cost is not None
    assert usd(bound_of(capabilities(provider), region, "translation.translate", request)) >= cost.amount
    each = tuple(
        Usage(meter="translation.detect_language", unit="character", quantity=Decimal(len(text))) for text in texts
    )
    detection = cost_of(provider, region, each)[0]
    assert detection is not None
    asked = DetectLanguageRequest(texts=tuple(texts))
    assert usd(bound_of(capabilities(provider), region, "translation.detect_language", asked)) >= detection.amount


@given(
    seconds=st.floats(min_value=0.01, max_value=20_000),
    channels=st.integers(1, 4),
    apart=st.booleans(),
    provider=st.sampled_from(["aws", "gcp", "azure"]),
)
def test_any_audio_is_held_at_no_less_than_its_seconds_cost(
    seconds: float, channels: int, apart: bool, provider: str
) -> None:
    region = {"aws": "us-east-1", "gcp": None, "azure": "eastus"}[provider]
    request = TranscribeRequest(audio=audio(seconds, channels), channels=apart, language="en")
    quantity = Decimal(str(seconds)) * (channels if apart else 1)
    cost = cost_of(provider, region, (Usage(meter="speech.transcribe", unit="second", quantity=quantity),))[0]
    assert cost is not None
    bound = bound_of(capabilities(provider), region, "speech.transcribe", request)
    assert usd(bound) >= cost.amount
    assert bound.usage["speech.transcribe"] >= quantity


def test_a_changed_request_does_not_meet_the_bound_of_another() -> None:
    """Bounds are remembered by what they depend on, and by nothing less."""
    few = bound_of(capabilities("gcp"), None, "speech.transcribe", TranscribeRequest(audio=audio(10.0)))
    many = bound_of(capabilities("gcp"), None, "speech.transcribe", TranscribeRequest(audio=audio(20.0)))
    assert usd(many) == 2 * usd(few)
    pages = replace(PNG, kind=MediaKind.DOCUMENT, pages=3)
    three = bound_of(capabilities("gcp"), None, "vision.read_document", ReadDocumentRequest(document=pages))
    assert three.usage == {"vision.read_document": Decimal(3)}


# --- as tight as can be known ------------------------------------------------------------------------


def held(client: Client, operation: str, request: Model) -> Decimal:
    """What a budget would hold at the client's first backend."""
    (backend,) = client.config.used_backends
    (chosen,) = [one for one in client._engine.candidates(operation, None) if one.backend.name == backend]
    return usd(client._engine.bound(chosen, operation, request))


THREE = replace(PNG, kind=MediaKind.DOCUMENT, pages=3)
TIGHT: dict[str, tuple[str, Model, dict[str, tuple[str, tuple[str, ...]]]]] = {
    "text of a document": (
        "vision.read_document",
        ReadDocumentRequest(document=THREE),
        {"aws": ("text", ()), "gcp": ("ocr", ()), "azure": ("read", ())},
    ),
    "tables of a document": (
        "vision.read_document",
        ReadDocumentRequest.model_validate({"document": THREE, "features": ("tables",)}),
        {"aws": ("tables", ("tables",)), "gcp": ("form-parser", ()), "azure": ("layout", ())},
    ),
    "a voice that is named": (
        "speech.synthesize",
        SynthesizeRequest(text="x" * 1000, voice="en-US-Neural2-A"),
        {"gcp": ("neural2", ()), "azure": ("neural", ())},
    ),
    "speech": (
        "speech.transcribe",
        TranscribeRequest(audio=audio(60.0), language="en"),
        {"gcp": ("standard", ())},
    ),
}
UNITS = {
    "vision.read_document": ("page", 3),
    "speech.synthesize": ("character", 1000),
    "speech.transcribe": ("second", 60),
}


@pytest.mark.parametrize("what", TIGHT)
def test_where_the_request_tells_the_sku_no_more_than_its_price_is_held(client: Client, what: str) -> None:
    operation, request, by_provider = TIGHT[what]
    (backend,) = client.config.used_backends
    provider, region = client.config.backends[backend].provider, client._engine.backend(backend).region
    if provider not in by_provider:
        return
    variant, features = by_provider[provider]
    unit, quantity = UNITS[operation]
    usage = Usage(meter=operation, unit=unit, quantity=Decimal(quantity), variant=variant, features=features)
    cost = cost_of(provider, region, (usage,))[0]
    assert cost is not None
    assert held(client, operation, request) == cost.amount


JOBS = {
    "aws": ("us-east-1", "ml.m5.xlarge"),
    "gcp": ("us-central1", "n1-standard-4"),
    "azure": ("eastus", "Standard_DS3_v2"),
}


@pytest.mark.parametrize("operation", ["custom.train", "custom.batch_predict"])
@pytest.mark.parametrize("provider", JOBS)
def test_a_job_is_held_at_its_machines_until_its_time_limit(provider: str, operation: str) -> None:
    region, instance = JOBS[provider]
    machine = Accelerator(instance=instance)

    def bound(seconds: int, machines: int) -> Bound:
        if operation == "custom.train":
            job = TrainingJob(
                name="a", script="a.py", source=".", framework="pytorch", accelerator=machine, nodes=machines,
                max_seconds=seconds,
            )  # fmt: skip
            return bound_of(capabilities(provider), region, operation, job)
        batch = BatchPredictRequest(
            model="m", inputs="s3://b/i/", output="s3://b/o/", accelerator=machine, instances=machines,
            max_seconds=seconds,
        )  # fmt: skip
        return bound_of(capabilities(provider), region, operation, batch)

    one = bound(3600, 1)
    if one.amount is None:
        assert "no price of" in one.reason
        return
    assert bound(7200, 3).amount == pytest.approx(6 * one.amount, abs=6)
    assert bound(7200, 3).usage == {operation: Decimal(6)}


def test_an_endpoint_has_no_bound_and_asking_it_costs_nothing_more() -> None:
    """But at Amazon, where a serverless one bills each prediction."""
    deploy = DeployRequest(model="m", name="m")
    ask = PredictRequest(model="m")
    for provider, region in (("aws", "us-east-1"), ("gcp", "us-central1"), ("azure", "eastus")):
        standing = bound_of(capabilities(provider), region, "custom.deploy", deploy)
        assert (standing.amount, standing.reason) == (None, "an endpoint costs by the hour until it is deleted")
        asked = bound_of(capabilities(provider), region, "custom.predict", ask)
        assert asked.amount == (None if provider == "aws" else 0)
