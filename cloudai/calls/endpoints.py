"""Endpoints: a handle that survives the process that deployed, and questions about what a deployment would be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack, cast

from cloudai.calls.asking import Asking, well_ended
from cloudai.calls.engine import CallOptions
from cloudai.calls.looking import Looks
from cloudai.calls.run import AsyncRunner, Runner, checked
from cloudai.driver import Endpoints
from cloudai.errors import ErrorCode, InvalidInput
from cloudai.types.custom import (
    DeployPlan,
    DeployRequest,
    EndpointRef,
    EndpointStatus,
    PredictRequest,
    PredictResult,
)
from cloudai.types.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cloudai.driver import Call
    from cloudai.types.media import Media

T = TypeVar("T")
OPERATION: Final = "custom.deploy"
PREDICT: Final = "custom.predict"
ENDPOINTS: Final = Asking[Endpoints](OPERATION, Endpoints, "endpoints")
Progress = Callable[[EndpointStatus], None]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An endpoint at one backend. `ref` is all that is needed to find it again: `ref.model_dump_json()`."""

    run: Runner
    ref: EndpointRef

    @property
    def url(self) -> str | None:
        """Where the Open Inference Protocol is spoken; `None`: only the provider's own API reaches it."""
        return self.ref.url

    def status(self) -> EndpointStatus:
        """Its versions with their traffic, whether it answers, what an hour costs."""
        return self._ask(lambda driver, call: driver.endpoint_status(self.ref, call))

    def wait(
        self, *, timeout: float = 1800.0, interval: float = 5.0, progress: Progress | None = None
    ) -> EndpointStatus:
        """Looks every `interval` seconds until it answers. Raises `ServiceError` with the provider's words when it
        failed, and `deadline_exceeded` after `timeout` seconds: it stands, and costs, all the same."""
        found = _looks(self.ref, timeout).until_final(self.status, interval, progress)
        return _must_answer(self.ref, found)

    def set_traffic(self, traffic: Mapping[str, int]) -> None:
        """Percent by version; they add up to 100. `{"old": 100}` takes a new version back."""
        shares = checked_traffic(traffic)
        self._ask(lambda driver, call: driver.set_traffic(self.ref, shares, call))

    def delete(self) -> None:
        """With all that belongs to it. One that is gone already is no error."""
        self._ask(lambda driver, call: driver.delete_endpoint(self.ref, call))

    def predict(
        self,
        tensors: Mapping[str, Tensor | NDArray[Any]],
        *,
        outputs: Sequence[str] = (),
        version: str | None = None,
        **call: Unpack[CallOptions],
    ) -> PredictResult:
        """Asks it with named tensors (numpy arrays), whatever the routes say of `custom.predict`; `version`: that one,
        else as the traffic is split."""
        return self.run(PREDICT, request_of(self.ref.id, tensors, outputs, version), _at(self.ref, call), PredictResult)

    def _ask(self, ask: Callable[[Endpoints, Call], T]) -> T:
        return ENDPOINTS.of(self.run, self.ref.backend, ask)


@dataclass(frozen=True, kw_only=True)
class AsyncEndpoint:
    """The same of an `AsyncClient`: one handle is as good for both."""

    run: AsyncRunner
    ref: EndpointRef

    @property
    def url(self) -> str | None:
        """As `Endpoint.url`."""
        return self.ref.url

    async def status(self) -> EndpointStatus:
        """As `Endpoint.status`."""
        return await self._ask(lambda driver, call: driver.endpoint_status(self.ref, call))

    async def wait(
        self,
        *,
        timeout: float = 1800.0,  # it stands all the same: not for asyncio.timeout
        interval: float = 5.0,
        progress: Progress | None = None,
    ) -> EndpointStatus:
        """As `Endpoint.wait`."""
        return _must_answer(
            self.ref, await _looks(self.ref, timeout).until_final_async(self.status, interval, progress)
        )

    async def set_traffic(self, traffic: Mapping[str, int]) -> None:
        """As `Endpoint.set_traffic`."""
        shares = checked_traffic(traffic)
        await self._ask(lambda driver, call: driver.set_traffic(self.ref, shares, call))

    async def delete(self) -> None:
        """As `Endpoint.delete`."""
        await self._ask(lambda driver, call: driver.delete_endpoint(self.ref, call))

    async def predict(
        self,
        tensors: Mapping[str, Tensor | NDArray[Any]],
        *,
        outputs: Sequence[str] = (),
        version: str | None = None,
        **call: Unpack[CallOptions],
    ) -> PredictResult:
        """As `Endpoint.predict`."""
        request = request_of(self.ref.id, tensors, outputs, version)
        return await self.run(PREDICT, request, _at(self.ref, call), PredictResult)

    async def _ask(self, ask: Callable[[Endpoints, Call], T]) -> T:
        return await ENDPOINTS.of_async(self.run, self.ref.backend, ask)


# --- before and beside an endpoint -----------------------------------------------------------------------


def plan_deployment(run: Runner, request: DeployRequest, options: CallOptions) -> DeployPlan:
    """What a deployment would create. Nothing is."""
    backend = ENDPOINTS.first(run.engine, options)
    return ENDPOINTS.of(run, backend, lambda driver, call: driver.plan_deployment(request, call))


async def plan_deployment_async(run: AsyncRunner, request: DeployRequest, options: CallOptions) -> DeployPlan:
    """The same with `await`."""
    backend = ENDPOINTS.first(run.engine, options)
    return await ENDPOINTS.of_async(run, backend, lambda driver, call: driver.plan_deployment(request, call))


def standing(run: Runner, backend: str | None) -> tuple[EndpointStatus, ...]:
    """The endpoints that cloudai made at the route's backends, or at the one that is named; by name."""
    return _by_name(ENDPOINTS.of_each(run, backend, lambda driver, call: driver.list_endpoints(call)))


async def standing_async(run: AsyncRunner, backend: str | None) -> tuple[EndpointStatus, ...]:
    """The same with `await`."""
    return _by_name(await ENDPOINTS.of_each_async(run, backend, lambda driver, call: driver.list_endpoints(call)))


def _by_name(found: Sequence[EndpointStatus]) -> tuple[EndpointStatus, ...]:
    return tuple(sorted(found, key=lambda one: (one.ref.name, one.ref.backend)))


def named(run: Runner, name: EndpointRef | str, backend: str | None) -> Endpoint:
    """The handle of an endpoint: from its ref, the ref's JSON, or its name, which is looked for."""
    ref = _given(name)
    return Endpoint(run=run, ref=ref or _one(str(name), standing(run, backend)))


async def named_async(run: AsyncRunner, name: EndpointRef | str, backend: str | None) -> AsyncEndpoint:
    """The same with `await`."""
    ref = _given(name)
    return AsyncEndpoint(run=run, ref=ref or _one(str(name), await standing_async(run, backend)))


def checked_traffic(traffic: Mapping[str, int]) -> dict[str, int]:
    """Raises `InvalidInput` unless they are percents that add up to 100."""
    shares = dict(traffic)
    if any(not 0 <= share <= 100 for share in shares.values()) or sum(shares.values()) != 100:
        raise InvalidInput(f"traffic is percent by version and adds up to 100, not {shares}")
    return shares


def request_of(
    model: str,
    tensors: Mapping[str, Tensor | NDArray[Any]] | None,
    outputs: Sequence[str],
    version: str | None,
    images: tuple[Media, ...] = (),
) -> PredictRequest:
    """A request with numpy arrays as tensors. Raises `InvalidInput` for what is none."""
    return checked(
        lambda: PredictRequest(
            model=model,
            version=version,
            tensors={name: _tensor(name, value) for name, value in (tensors or {}).items()},
            outputs=tuple(outputs),
            images=images,
        )
    )


def _tensor(name: str, value: object) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if not (hasattr(value, "dtype") and hasattr(value, "reshape") and hasattr(value, "tobytes")):
        raise InvalidInput(f"tensor {name} is a {type(value).__name__}: give a numpy array, whose type the model takes")
    return Tensor(cast("NDArray[Any]", value))


def _given(name: EndpointRef | str) -> EndpointRef | None:
    if isinstance(name, EndpointRef):
        return name
    if not name.lstrip().startswith("{"):
        return None
    try:
        return EndpointRef.model_validate_json(name)
    except ValueError as error:
        raise InvalidInput("this is no endpoint's ref in JSON") from error


def _one(name: str, found: tuple[EndpointStatus, ...]) -> EndpointRef:
    refs = [one.ref for one in found if one.ref.name == name]
    if not refs:
        known = ", ".join(one.ref.name for one in found) or "none"
        raise InvalidInput(f"no endpoint {name!r}; there are: {known}", code=ErrorCode.NOT_FOUND)
    if len(refs) > 1:
        raise InvalidInput(f"{name!r} is at {', '.join(ref.backend for ref in refs)}: say which, backend=...")
    return refs[0]


def _at(ref: EndpointRef, options: CallOptions) -> CallOptions:
    return {**options, "backend": ref.backend}


def _looks(ref: EndpointRef, timeout: float) -> Looks:
    late = f"endpoint {ref.name} does not answer after {timeout:g} s; it stands all the same"
    return Looks(backend=ref.backend, operation=OPERATION, timeout=timeout, late=late)


def _must_answer(ref: EndpointRef, status: EndpointStatus) -> EndpointStatus:
    """Raises `ServiceError` for an endpoint that will never answer."""
    well_ended(status, what=f"endpoint {ref.name}", backend=ref.backend, operation=OPERATION)
    return status
