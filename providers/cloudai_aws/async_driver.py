"""The driver for asyncio. boto3 has no async: each call has a thread, of as many as the backend has connections.

The loop's own executor has one for each core and four more, whatever the backend could take. What may wait for a job
has as many threads again, so that nothing else waits behind it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from cloudai.driver import Call
from cloudai.errors import Fault
from cloudai_aws.driver import AwsDriver
from cloudai_aws.settings import AwsSettings
from cloudai_aws.wire import until

if TYPE_CHECKING:
    from cloudai.capabilities import Limits

P = ParamSpec("P")
A = TypeVar("A")


def _threaded(
    method: Callable[Concatenate[AwsDriver, P], A], *, waits: bool = False
) -> Callable[Concatenate[AsyncAwsDriver, P], Awaitable[A]]:
    """The same method, in a thread of the driver's."""

    async def ask(self: AsyncAwsDriver, /, *arguments: P.args, **named: P.kwargs) -> A:
        return await self.run(partial(method, self.plain, *arguments, **named), waits=waits)

    return ask


class AsyncAwsDriver:
    """One AWS account and region, on an event loop. A call that is cancelled stops waiting for its job, and tidies up
    behind the caller's back; `close` waits for that."""

    asynchronous = True

    def __init__(self, settings: AwsSettings, *, backend: str) -> None:
        self.plain = AwsDriver(settings, backend=backend)
        self._threads = ThreadPoolExecutor(settings.connections, thread_name_prefix=f"cloudai-{backend}")
        self._waiting = ThreadPoolExecutor(settings.connections, thread_name_prefix=f"cloudai-{backend}-jobs")
        self._running = set[threading.Event]()

    @property
    def client(self) -> Callable[[str], Any]:
        """As of the plain driver: boto3's clients, which block."""
        return self.plain.client

    def limits(self, operation: str, declared: Limits) -> Limits:
        return self.plain.limits(operation, declared)

    def unavailable(self) -> Mapping[str, str]:
        return self.plain.unavailable()

    def classify(self, error: Exception) -> Fault | None:
        return self.plain.classify(error)

    async def close(self) -> None:
        for given_up in tuple(self._running):
            given_up.set()
        for threads in (self._threads, self._waiting):
            await asyncio.to_thread(threads.shutdown)
        self.plain.close()

    async def run(self, method: Callable[[], A], *, waits: bool = False) -> A:
        """One call in a thread, with the caller's context."""
        given_up = threading.Event()

        def work() -> A:
            with until(given_up):
                return method()

        self._running.add(given_up)
        threads = self._waiting if waits else self._threads
        future = asyncio.get_running_loop().run_in_executor(threads, copy_context().run, work)
        try:
            return await future
        except asyncio.CancelledError:
            given_up.set()
            raise
        finally:
            self._running.discard(given_up)

    @property
    def fetches(self) -> frozenset[str]:
        return self.plain.fetches

    def fetch(self, uri: str, *, max_bytes: int, call: Call) -> bytes:
        """Blocks: the client calls it in a thread."""
        return self.plain.fetch(uri, max_bytes=max_bytes, call=call)

    detect_labels = _threaded(AwsDriver.detect_labels)
    detect_objects = _threaded(AwsDriver.detect_objects)
    detect_faces = _threaded(AwsDriver.detect_faces)
    detect_landmarks = _threaded(AwsDriver.detect_landmarks)
    moderate = _threaded(AwsDriver.moderate)
    read_text = _threaded(AwsDriver.read_text)
    read_document = _threaded(AwsDriver.read_document, waits=True)
    analyze = _threaded(AwsDriver.analyze)
    translate = _threaded(AwsDriver.translate)
    translate_document = _threaded(AwsDriver.translate_document)
    detect_language = _threaded(AwsDriver.detect_language)
    languages = _threaded(AwsDriver.languages)
    synthesize = _threaded(AwsDriver.synthesize, waits=True)
    voices = _threaded(AwsDriver.voices)
    transcribe = _threaded(AwsDriver.transcribe, waits=True)
    submit_transcription = _threaded(AwsDriver.submit_transcription)
    transcription_status = _threaded(AwsDriver.transcription_status)
    transcription_result = _threaded(AwsDriver.transcription_result)
    cancel_transcription = _threaded(AwsDriver.cancel_transcription)
    train = _threaded(AwsDriver.train, waits=True)
    plan_training = _threaded(AwsDriver.plan_training)
    run_status = _threaded(AwsDriver.run_status)
    run_logs = _threaded(AwsDriver.run_logs)
    cancel_run = _threaded(AwsDriver.cancel_run)
    fetch_run = _threaded(AwsDriver.fetch_run, waits=True)
    list_runs = _threaded(AwsDriver.list_runs)
    deploy = _threaded(AwsDriver.deploy, waits=True)
    plan_deployment = _threaded(AwsDriver.plan_deployment)
    endpoint_status = _threaded(AwsDriver.endpoint_status)
    list_endpoints = _threaded(AwsDriver.list_endpoints)
    set_traffic = _threaded(AwsDriver.set_traffic)
    delete_endpoint = _threaded(AwsDriver.delete_endpoint)
    predict = _threaded(AwsDriver.predict)
    batch_predict = _threaded(AwsDriver.batch_predict, waits=True)
    plan_batch = _threaded(AwsDriver.plan_batch)
    batch_status = _threaded(AwsDriver.batch_status)
    cancel_batch = _threaded(AwsDriver.cancel_batch)
    fetch_batch = _threaded(AwsDriver.fetch_batch, waits=True)
    list_batches = _threaded(AwsDriver.list_batches)
