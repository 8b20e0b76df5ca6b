"""The suite that every driver runs: one class to inherit, one harness to fill in.

    class AcmeHarness(Harness):
        provider = "acme"
        values = {"endpoint_url": "http://127.0.0.1:8081"}

    class TestAcme(DriverConformance):
        harness = AcmeHarness()

Each operation that the driver implements is called through the real `Client` and `AsyncClient`, and its answer held
to the meanings of `cloudai.types`. What the provider declares and the driver does not implement must be listed in
`not_yet`, so that nothing is missing unnoticed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import product
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, ValidationError

from cloudai.calls.policy import CREATES
from cloudai.client import AsyncClient, Client
from cloudai.config import BackendConfig, Config, Origin, Policy, Route
from cloudai.errors import CloudAIError, ConfigError, ErrorCode, InvalidInput
from cloudai.operations import TYPES
from cloudai.registry import ProviderEntry, Registry
from cloudai.testing.samples import SAMPLES, Sample
from cloudai.types.geometry import Box
from cloudai.types.results import Result
from cloudai_pricing.operations import operations

BACKEND = "under-test"
NOT_MEDIA = (b"", b"\x00" * 64, b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
"""No image, no sound, no document."""


class Harness:
    """What the suite must know of a provider. Override what differs."""

    provider: str = ""
    """The name of its entry point."""
    values: ClassVar[Mapping[str, Any]] = {}
    """`[backends.NAME]` besides `provider`."""
    not_yet: ClassVar[frozenset[str]] = frozenset()
    """Operations that are declared as offered and that the driver does not implement."""
    samples: ClassVar[Mapping[str, Sample]] = {}
    """Calls that suit this provider better than the kit's own; `custom.*` needs them."""
    timeout: float = 60.0
    """Seconds for one attempt."""

    def sample(self, operation: str) -> Sample:
        """How the suite calls an operation."""
        found = self.samples.get(operation) or SAMPLES.get(operation)
        assert found is not None, f"the harness needs a sample call of {operation}"
        return found

    def config(self, **more: Any) -> Config:
        """Everything routed to one backend of this provider."""
        origin = Origin(place="conformance")
        values = {"provider": self.provider, **self.values, **more}
        backend = BackendConfig(name=BACKEND, provider=self.provider, values=values, origin=origin)
        return Config(
            source=None,
            backends={BACKEND: backend},
            routes=(Route(pattern="*", backends=(BACKEND,), origin=origin),),
            policy=Policy(timeout=self.timeout, deadline=3 * self.timeout, max_attempts=1),
        )

    @property
    def entry(self) -> ProviderEntry:
        """As it is installed."""
        return Registry.installed().get(self.provider)

    @property
    def implements(self) -> tuple[str, ...]:
        """The operations under test, in the order of the vocabulary."""
        return tuple(name for name in operations() if name in self.entry.provider.implements)

    @property
    def with_media(self) -> tuple[str, ...]:
        """Those under test that take a file."""
        return tuple(name for name in self.implements if TYPES[name].media and name in SAMPLES)

    @property
    def with_text(self) -> tuple[str, ...]:
        """Those under test that take a text."""
        texts = ("translation.translate", "translation.detect_language", "speech.synthesize")
        return tuple(name for name in self.implements if name in texts)


class DriverConformance:
    """Inherit it and set `harness`."""

    harness: ClassVar[Harness]
    _answers: ClassVar[dict[tuple[str, str, bool], Result]] = {}

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A case per operation, for the tests that ask for one."""
        if "operation" in metafunc.fixturenames:
            metafunc.parametrize("operation", self.harness.implements)

    def answer(self, operation: str, *, raw: bool = False) -> Result:
        """One answer of each operation, asked once for all the tests that only look."""
        key = (self.harness.provider, operation, raw)
        if key not in self._answers:
            with Client(self.harness.config()) as client:
                self._answers[key] = self.harness.sample(operation)(client, raw=raw)
        return self._answers[key]

    # --- the provider ----------------------------------------------------------------------------

    def test_it_is_installed_under_its_name(self) -> None:
        assert self.harness.entry.provider.name == self.harness.provider

    def test_its_declaration_is_its_own(self) -> None:
        assert self.harness.entry.capabilities.provider == self.harness.provider

    def test_what_it_implements_is_declared_as_offered(self) -> None:
        declared = self.harness.entry.capabilities
        for name in self.harness.entry.provider.implements:
            operation = declared.operation(name)
            assert operation is not None, f"{name} is not declared"
            assert operation.support != "no", f"{name} is declared as not offered"

    def test_what_is_offered_and_not_implemented_is_listed(self) -> None:
        offered = {name for name, known in self.harness.entry.capabilities.operations.items() if known.support != "no"}
        assert offered - self.harness.entry.provider.implements == self.harness.not_yet

    def test_nothing_it_implements_is_unavailable_here(self) -> None:
        with Client(self.harness.config()) as client:
            missing = client.driver(BACKEND).unavailable()
        assert {name: missing[name] for name in self.harness.implements if name in missing} == {}

    def test_an_unknown_setting_is_refused_by_name(self) -> None:
        with pytest.raises(ConfigError, match="no_such_setting"):
            Client(self.harness.config(no_such_setting=1))

    def test_a_secret_is_in_no_repr(self) -> None:
        secret = "s3cret-of-the-suite"  # noqa: S105  # not one
        settings = self.harness.entry.settings(self.harness.config(api_key=secret).backends[BACKEND])
        assert secret not in repr(settings) + str(settings) + settings.model_dump_json()

    def test_an_exception_of_nobody_is_not_claimed(self) -> None:
        with Client(self.harness.config()) as client:
            assert client.driver(BACKEND).classify(ZeroDivisionError("not the vendor's")) is None

    def test_closing_twice_is_closing_once(self) -> None:
        client = Client(self.harness.config())
        client.close()
        client.close()

    def test_two_clients_do_not_share_their_end(self) -> None:
        operation = self.harness.implements[0]
        with Client(self.harness.config()) as client:
            Client(self.harness.config()).close()
            assert self.harness.sample(operation)(client).operation == operation

    def test_a_closed_client_says_so(self) -> None:
        client = Client(self.harness.config())
        client.close()
        with pytest.raises(CloudAIError, match="closed") as caught:
            self.harness.sample(self.harness.implements[0])(client)
        assert caught.value.code is ErrorCode.CANCELLED

    def test_what_it_cannot_do_is_refused_with_a_reason(self) -> None:
        with Client(self.harness.config()) as client:
            for gap in set(operations()) - set(self.harness.entry.provider.implements):
                skipped = client.explain(gap).skipped
                assert skipped
                assert len(skipped[0].reason.split()) >= 3, f"say in words why {gap} is not served"

    # --- each operation --------------------------------------------------------------------------

    def test_it_answers_with_the_type_of_the_operation(self, operation: str) -> None:
        assert type(self.answer(operation)) is TYPES[operation].result

    def test_the_envelope_names_who_answered(self, operation: str) -> None:
        answer = self.answer(operation)
        assert (answer.operation, answer.provider, answer.backend) == (operation, self.harness.provider, BACKEND)
        assert answer.latency > 0
        assert answer.attempts == 1

    def test_usage_is_counted_in_known_meters(self, operation: str) -> None:
        free = operations()[operation].free or operation in CREATES  # known when what was created has ended
        used = self.answer(operation).usage
        assert used or free, "a billed operation counts its usage"
        for item in used:
            assert item.meter.split(".")[0] in {known.service for known in operations().values()}
            assert item.quantity >= 0
            assert item.unit

    def test_a_cost_is_known_or_none_and_zero_only_where_free(self, operation: str) -> None:
        cost = self.answer(operation).cost
        assert cost is None or cost.amount > 0 or operations()[operation].free
        assert cost is None or isinstance(cost.amount, Decimal)

    def test_the_answer_survives_json(self, operation: str) -> None:
        answer = self.answer(operation)
        assert type(answer).model_validate_json(answer.model_dump_json()) == answer

    def test_the_answer_is_frozen(self, operation: str) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            self.answer(operation).attempts = 7

    def test_confidence_is_a_ratio(self, operation: str) -> None:
        for path, value in _fields(self.answer(operation), "confidence", "score", "topicality", "language_confidence"):
            if not path.startswith(".price_ref"):  # there it is how sure a price is, in words
                assert value is None or 0 <= value <= 1, path

    def test_boxes_are_fractions(self, operation: str) -> None:
        for path, box in _fields(self.answer(operation), "box"):
            assert isinstance(box, Box), path
            assert box.w >= 0, path
            assert box.h >= 0, path
            assert -0.5 <= box.x <= 1.5, f"{path}: a fraction of the width, not pixels"
            assert -0.5 <= box.y <= 1.5, f"{path}: a fraction of the height, not pixels"
            assert box.w <= 2, path
            assert box.h <= 2, path

    def test_languages_are_normalised(self, operation: str) -> None:
        from cloudai.languages import normalise

        for path, value in _fields(self.answer(operation), "language", "languages"):
            for tag in value if isinstance(value, tuple) else (value,):
                assert not isinstance(tag, str) or tag == "und" or normalise(tag) == tag, f"{path}: {tag}"

    def test_times_run_forward_in_seconds(self, operation: str) -> None:
        answer = self.answer(operation)
        for path, item in _models(answer):
            start, end = getattr(item, "start", None), getattr(item, "end", None)
            if start is not None:
                assert start >= 0, path
            if start is not None and end is not None:
                assert end >= start, path
                assert end <= (getattr(answer, "duration", None) or 86_400) + 1, f"{path}: seconds, not milliseconds"

    def test_labels_have_a_stable_name_beside_the_vendors(self, operation: str) -> None:
        for path, item in _models(self.answer(operation)):
            if "vendor_name" in type(item).model_fields and "name" in type(item).model_fields:
                name = getattr(item, "name")  # noqa: B009  # on a model found by its fields
                assert name == " ".join(name.lower().split()), path

    def test_the_vendors_own_answer_comes_only_when_asked(self, operation: str) -> None:
        assert self.answer(operation).raw is None
        json.dumps(self.answer(operation, raw=True).raw)

    def test_less_than_full_support_is_said_with_the_answer(self, operation: str) -> None:
        declared = self.harness.entry.capabilities.operation(operation)
        assert declared is not None
        codes = {notice.code for notice in self.answer(operation).warnings}
        assert declared.support == "yes" or declared.support in codes

    def test_an_unknown_option_is_refused(self, operation: str) -> None:
        options = {self.harness.provider: {"no_such_option": 1}}
        with Client(self.harness.config()) as client, pytest.raises(CloudAIError) as caught:
            self.harness.sample(operation)(client, options=options)
        assert caught.value.code in (ErrorCode.INVALID_INPUT, ErrorCode.UNSUPPORTED)

    def test_the_async_client_gives_the_same_type_and_usage(self, operation: str) -> None:
        sample = self.harness.sample(operation)

        async def ask() -> Result:
            async with AsyncClient(self.harness.config()) as client:
                waiting: Awaitable[Result] = sample(client)
                return await waiting

        answer, expected = asyncio.run(ask()), self.answer(operation)
        assert type(answer) is type(expected)
        assert answer.usage == expected.usage

    def test_many_threads_may_ask_at_once(self, operation: str) -> None:
        sample = self.harness.sample(operation)
        with Client(self.harness.config()) as client, ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: sample(client), range(4)))
        assert {type(answer) for answer in answers} == {TYPES[operation].result}
        assert {answer.usage for answer in answers} == {self.answer(operation).usage}

    # --- jobs that outlive a call --------------------------------------------------------------------

    def test_a_training_run_is_planned_submitted_once_listed_and_ended(self) -> None:
        if "custom.train" not in self.harness.implements:
            return
        job = self._first("custom.train")
        with Client(self.harness.config()) as client:
            planned = client.custom.plan_training(job)
            first, again = client.custom.train(job), client.custom.train(job)
            assert again.found
            assert first.run is not None
            assert again.run is not None
            assert (first.run.id, first.run.name) == (again.run.id, planned.name)
            assert first.run.backend == BACKEND
            handle = client.custom.run(type(first.run).model_validate_json(first.run.model_dump_json()))
            assert first.run.id in [ref.id for ref in client.custom.runs()]
            list(handle.logs())
            handle.cancel()
            assert handle.wait(timeout=self.harness.timeout, interval=0.05).state.final
            handle.cancel()

    def test_a_batch_job_is_planned_submitted_once_listed_and_ended(self) -> None:
        if "custom.batch_predict" not in self.harness.implements:
            return
        request = self._first("custom.batch_predict")
        with Client(self.harness.config()) as client:
            planned = client.custom.plan_batch(request)
            first, again = client.custom.submit_batch(request), client.custom.submit_batch(request)
            assert again.submission is not None
            assert again.submission.found
            assert (first.ref.id, first.ref.name) == (again.ref.id, planned.name)
            assert first.ref.backend == BACKEND
            handle = client.custom.batch(first.ref.model_dump_json())
            assert first.ref.id in [ref.id for ref in client.custom.batches()]
            ended = handle.wait(timeout=self.harness.timeout, interval=0.05)
            assert ended.state.final
            if ended.total is not None:
                assert ended.total == (ended.succeeded or 0) + (ended.failed or 0)
            handle.cancel()
            assert handle.status().state is ended.state

    def _first(self, operation: str) -> Any:
        first = self.harness.sample(operation).first
        return first() if callable(first) else first

    # --- bad inputs ------------------------------------------------------------------------------

    def test_what_is_not_its_medium_is_refused(self) -> None:
        with Client(self.harness.config()) as client:
            for operation, content in product(self.harness.with_media, NOT_MEDIA):
                with pytest.raises(InvalidInput):
                    SAMPLES[operation].with_media(content)(client)

    def test_a_missing_file_is_not_found(self) -> None:
        with Client(self.harness.config()) as client:
            for operation in self.harness.with_media:
                with pytest.raises(CloudAIError) as caught:
                    SAMPLES[operation].with_media("no-such-file.bin")(client)
                assert caught.value.code is ErrorCode.NOT_FOUND

    def test_half_a_surrogate_is_refused(self) -> None:
        with Client(self.harness.config()) as client:
            for operation in self.harness.with_text:
                with pytest.raises(InvalidInput, match="surrogate"):
                    SAMPLES[operation].with_text("abc\ud800")(client)


def _models(model: BaseModel, path: str = "") -> Iterator[tuple[str, BaseModel]]:
    """The model and all those inside it, each with its path."""
    yield path, model
    for name in type(model).model_fields:
        value = getattr(model, name)
        for index, item in enumerate(value if isinstance(value, tuple) else (value,)):
            if isinstance(item, BaseModel):
                yield from _models(item, f"{path}.{name}[{index}]")


def _fields(model: BaseModel, *names: str) -> Iterator[tuple[str, Any]]:
    """Every field of these names, anywhere in the answer."""
    for path, item in _models(model):
        for name in names:
            if name in type(item).model_fields:
                yield f"{path}.{name}", getattr(item, name)
