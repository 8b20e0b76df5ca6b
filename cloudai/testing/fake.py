"""A provider with scripted answers: for users' own tests, without a network, a model or an account.

    fake = FakeBackend()
    fake.answer("vision.read_text", text_result("hello"))      # a result, an exception, or a function of the request
    with fake.client() as client:
        assert client.vision.read_text(png).text == "hello"
    assert fake.calls[0].request.image.content == png

    fake.looks(JobState.RUNNING, JobState.FAILED)               # what looks at a training run or batch job find

An operation without a script gets a small, valid, always equal answer. It is also the provider `fake` of a config
file (`provider = "fake"`, `answers = "answers.json"`), so a program can be run against it unchanged.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloudai.errors import ConfigError, ErrorCode, Fault
from cloudai.operations import TYPES
from cloudai.settings import BackendSettings, ConfigPath, OptionsModel
from cloudai.testing.answers import default_answer
from cloudai.testing.jobs import FakeJobMethods, FakeJobs, Look
from cloudai.types.custom import BatchPredictResult, TrainResult
from cloudai.types.results import Model, Result

if TYPE_CHECKING:
    from cloudai.capabilities import Capabilities
    from cloudai.client import AsyncClient, Client
    from cloudai.config import Config
    from cloudai.driver import Call, Provider
    from cloudai.types.custom import BatchPredictRequest, TrainingJob

Answer = Result | Exception | Callable[[Any], Result]
"""What a script holds: returned, raised, or called with the request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FakeCall:
    """One request that reached the fake: after the guard, the limits and the route."""

    operation: str
    request: Model
    call: Call


class FakeSettings(BackendSettings):
    """`answers` is a JSON file: operation -> a result's JSON, or a list of them to be given in turn."""

    answers: ConfigPath | None = None


class FakeOptions(OptionsModel):
    """`options={"fake": {"seed": 1}}`: seen in `FakeCall.call`."""

    seed: int = 0


class FakeBackend:
    """A provider named `fake`; hand it to `Client(providers=...)` or use `client()`."""

    implements = frozenset(TYPES)
    settings: type[BackendSettings] = FakeSettings
    options: Mapping[str, type[OptionsModel]] = dict.fromkeys(TYPES, FakeOptions)

    def __init__(self, *, name: str = "fake", unavailable: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.calls: list[FakeCall] = []
        self._unavailable = dict(unavailable or {})
        self._scripts: dict[str, deque[Answer]] = {}
        self._standing: dict[str, Answer] = {}
        self.jobs = FakeJobs()
        """Training runs and batch jobs: the log's lines and the model's files of every run can be set there."""
        self._lock = threading.Lock()

    @property
    def capabilities(self) -> Capabilities:
        """Everything, without limits."""
        from dataclasses import replace

        from cloudai.capabilities import find_capabilities, load_capabilities

        return replace(load_capabilities(find_capabilities("cloudai.testing")), provider=self.name)

    def answer(self, operation: str, *answers: Answer, always: bool = False) -> FakeBackend:
        """Scripts the next answers of an operation, in turn; with `always`, the last one stays.

        Raises `KeyError` for an operation that does not exist.
        """
        TYPES[operation]  # a misspelt operation would never be asked
        *script, last = answers
        queue = self._scripts.setdefault(operation, deque())
        queue.extend(script if always else answers)
        if always:
            self._standing[operation] = last
        return self

    def looks(self, *found: Look) -> FakeBackend:
        """Scripts what the next looks at runs and batch jobs find, in turn: a state, a whole status, an exception.
        Without a script the first look finds that the job has succeeded."""
        self.jobs.looks.extend(found)
        return self

    @property
    def unasked(self) -> tuple[str, ...]:
        """Operations with scripted answers that nobody has asked for yet."""
        return tuple(operation for operation, queue in self._scripts.items() if queue)

    def open(self, settings: BackendSettings, *, backend: str) -> FakeDriver:
        """A driver over this script; answers from the settings' file come first."""
        if isinstance(settings, FakeSettings) and settings.answers is not None:
            for operation, script in _read_answers(settings.answers).items():
                self.answer(operation, *script, always=True)
        return FakeDriver(self, backend=backend)

    def client(self, config: Config | None = None) -> Client:
        """A client whose every operation comes here, or as `config` routes it."""
        from cloudai.client import Client

        return Client(config or self._config(), providers=(self.as_provider,))

    def async_client(self, config: Config | None = None) -> AsyncClient:
        """The same for asyncio."""
        from cloudai.client import AsyncClient

        return AsyncClient(config or self._config(), providers=(self.as_provider,))

    @property
    def as_provider(self) -> Provider:
        """Itself, as the type that `Client(providers=...)` takes."""
        return self

    def _config(self) -> Config:
        from cloudai.config import BackendConfig, Config, Origin, Route

        origin = Origin(place="FakeBackend")
        backend = BackendConfig(name=self.name, provider=self.name, values={"provider": self.name}, origin=origin)
        route = Route(pattern="*", backends=(self.name,), origin=origin)
        return Config(source=None, backends={self.name: backend}, routes=(route,))

    def reply(self, operation: str, request: Model, call: Call) -> Result:
        """What the driver answers: the script's next answer, the standing one, or the default."""
        with self._lock:
            self.calls.append(FakeCall(operation=operation, request=request, call=call))
            queue = self._scripts.get(operation)
            answer = queue.popleft() if queue else self._standing.get(operation)
        if answer is None:
            return default_answer(operation, request, raw=call.raw)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Result) else answer(request)

    @property
    def missing(self) -> Mapping[str, str]:
        """What was declared unavailable in the constructor."""
        return self._unavailable


class FakeDriver(FakeJobMethods):
    """The driver of a `FakeBackend`: one method per operation, made from the table of operations, and its jobs."""

    def __init__(self, fake: FakeBackend, *, backend: str) -> None:
        from cloudai_pricing.operations import operations

        super().__init__(fake.jobs, backend)
        self._backend = fake
        self._methods = {
            known.verb: partial(fake.reply, known.name) for known in operations().values() if known.name in TYPES
        }

    def __getattr__(self, name: str) -> Any:
        methods: dict[str, Any] = self.__dict__.get("_methods", {})
        if name not in methods:
            raise AttributeError(name)
        return methods[name]

    def train(self, request: TrainingJob, call: Call) -> TrainResult:
        """The script's answer; its run is then one of this backend's."""
        answer = self._backend.reply("custom.train", request, call)
        assert isinstance(answer, TrainResult), f"the script answers {type(answer).__name__} to custom.train"
        return self.submitted(request, answer)

    def batch_predict(self, request: BatchPredictRequest, call: Call) -> BatchPredictResult:
        """The script's answer; its batch job is then one of this backend's."""
        answer = self._backend.reply("custom.batch_predict", request, call)
        assert isinstance(answer, BatchPredictResult), f"the script answers {type(answer).__name__} to it"
        return self.submitted(request, answer)

    @property
    def client(self) -> FakeBackend:
        """The script itself."""
        return self._backend

    def unavailable(self) -> Mapping[str, str]:
        """As scripted."""
        return self._backend.missing

    def classify(self, error: Exception) -> Fault | None:
        """A scripted `TimeoutError` or `ConnectionError` means what it means on a wire."""
        if isinstance(error, TimeoutError):
            return Fault(code=ErrorCode.DEADLINE_EXCEEDED, message=str(error) or "timed out")
        if isinstance(error, ConnectionError):
            return Fault(code=ErrorCode.UNAVAILABLE, message=str(error) or "connection failed")
        return None

    def close(self) -> None:
        """Nothing to release."""


def _read_answers(path: Path) -> Mapping[str, list[Result]]:
    try:
        scripts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"answers file {path}: {error}") from error
    found: dict[str, list[Result]] = {}
    for operation, script in scripts.items():
        if operation not in TYPES:
            raise ConfigError(f"answers file {path}: unknown operation {operation!r}")
        items = script if isinstance(script, list) else [script]
        found[operation] = [TYPES[operation].result.model_validate(item) for item in items]
    return found


class _FakeProvider(FakeBackend):
    """The provider `fake` of config files: a fresh script for each backend that is opened."""

    def open(self, settings: BackendSettings, *, backend: str) -> FakeDriver:
        return FakeBackend.open(FakeBackend(name=self.name), settings, backend=backend)


PROVIDER: Provider = _FakeProvider()
