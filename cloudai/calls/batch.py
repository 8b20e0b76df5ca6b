"""Several operations on several images: one request where one backend takes them so, else one call for each."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cloudai.calls.cost import add_costs
from cloudai.calls.engine import CallOptions, Engine
from cloudai.calls.fitting import prepare
from cloudai.calls.job import Job, Step, begin, cancelled, end
from cloudai.calls.policy import may_fall_back, turn
from cloudai.calls.run import AsyncRunner, Runner
from cloudai.calls.split import images
from cloudai.calls.strategies import in_order
from cloudai.driver import Analyze
from cloudai.errors import CloudAIError, ErrorCode
from cloudai.operations import TYPES
from cloudai.types.media import Media
from cloudai.types.results import Notice, Result
from cloudai.types.vision import ANALYSIS_FIELDS, Analysis, AnalyzeRequest, ImageRequest, ItemError, results_of

if TYPE_CHECKING:
    from cloudai.backends import Candidate, Plan

R = TypeVar("R", bound=Result)
ANALYZE: Final = "vision.analyze"
"""The name under which such a call is counted: it has several operations."""
_ENVELOPE: Final[set[str]] = {"provider", "backend", "region", "model"}


def analyze(run: Runner, request: AnalyzeRequest, options: CallOptions) -> tuple[Analysis, ...]:
    """An answer per image, in order."""
    ends = _ends(run.engine, options)
    packed = _packed(run.engine, request, options)
    filled: tuple[Analysis, ...] = ()
    failed: _Failed | None = None
    if packed is not None:
        job, step = packed
        try:
            filled = _filled(job, step, run.answers(job, step))
        except CloudAIError as error:
            filled = _filled(job, step, job.answered)
            end(job, _whole(job, filled), error)
            failed = _failed(error, run.engine, request, options, filled)
        except BaseException:
            end(job, None, cancelled(ANALYZE))
            raise
        else:
            end(job, _whole(job, filled), None)
    rest = request.images[len(filled) :]
    if failed is not None and failed.final:
        return (*filled, *[failed.given_up(request) for _ in rest])
    return (*filled, *[_one(run, request, image, options, ends, failed) for image in rest])


async def analyze_async(run: AsyncRunner, request: AnalyzeRequest, options: CallOptions) -> tuple[Analysis, ...]:
    """The same with `await`."""
    ends = _ends(run.engine, options)
    packed = _packed(run.engine, request, options)
    filled: tuple[Analysis, ...] = ()
    failed: _Failed | None = None
    if packed is not None:
        job, step = packed
        try:
            filled = _filled(job, step, await run.answers(job, step))
        except CloudAIError as error:
            filled = _filled(job, step, job.answered)
            await run.end(job, _whole(job, filled), error)
            failed = _failed(error, run.engine, request, options, filled)
        except BaseException:
            await run.end(job, None, cancelled(ANALYZE))
            raise
        else:
            await run.end(job, _whole(job, filled), None)
    rest = request.images[len(filled) :]
    if failed is not None and failed.final:
        return (*filled, *[failed.given_up(request) for _ in rest])
    return (*filled, *[await _one_async(run, request, image, options, ends, failed) for image in rest])


def _ends(engine: Engine, options: CallOptions) -> float:
    """Monotonic time at which the deadline of the whole is over."""
    return time.monotonic() + options.get("deadline", engine.config.policy.deadline)


def _until(ends: float, options: CallOptions) -> CallOptions:
    return {**options, "deadline": max(0.0, ends - time.monotonic())}


# --- several images in one request ---------------------------------------------------------------------


def _packed(engine: Engine, request: AnalyzeRequest, options: CallOptions) -> tuple[Job, Step[Any]] | None:
    """As few requests as can be, when the first backend of every operation is the same and takes them together.

    A route's cache and `max_cost` are about one operation on one image: with either they are asked one by one.
    """
    wanted, operation = options.get("backend"), request.operations[0]
    try:
        plans = [engine.plan(operation, wanted) for operation in request.operations]
    except CloudAIError:
        return None
    firsts = _firsts(engine, plans, request, options)
    chosen, backend = firsts[0], firsts[0].backend
    apart = any(plan.route is not None and (plan.route.cache or plan.route.max_cost is not None) for plan in plans)
    if apart or any(first.backend is not backend for first in firsts) or not isinstance(backend.driver, Analyze):
        return None
    lane, others = engine.lane(chosen, operation), _others(plans)
    if others and not lane.breaker.enter():
        return None
    job = begin(engine, operation, options)
    try:
        fitted = tuple([_fitted(job, firsts, image) for image in request.images])
    except CloudAIError as error:
        end(job, _whole(job, ()), error)
        raise
    mine = turn(
        engine.config.policy,
        ends=job.ends,
        timeout=job.timeout,
        backends_left=2 if others else 1,
        operation=operation,
        lane=lane,
        alone=not others,
    )
    job.turns.append(mine)
    whole = request.model_copy(update={"images": fitted})
    parts = images(whole, chosen.declared.limits)
    return job, Step(chosen=chosen.calling(backend.driver.analyze), request=whole, notices=(), turn=mine, parts=parts)


def _firsts(engine: Engine, plans: list[Plan], request: AnalyzeRequest, options: CallOptions) -> list[Candidate]:
    """Whom each operation's route asks first. Operations of one route go to one backend, where it serves them."""
    firsts: list[Candidate] = []
    single = ImageRequest(image=request.images[0])
    for plan in plans:
        job = begin(engine, plan.operation, options, watched=False)
        first = in_order(plan, job, single)[0]
        if firsts and plan.route is plans[0].route:
            first = next((one for one in plan.candidates if one.backend is firsts[0].backend), first)
        firsts.append(first)
    return firsts


def _others(plans: Iterable[Plan]) -> bool:
    """Whether another backend may answer each operation."""
    return all(len(plan.candidates) > 1 for plan in plans)


def _fitted(job: Job, firsts: list[Candidate], image: Media) -> Media:
    """The image within the limits of every operation asked for."""
    for first in firsts:
        made, _ = prepare(job, first, ImageRequest(image=image))
        image = made.requests[0].image
    return image


def _whole(job: Job, filled: Iterable[Analysis]) -> Result | None:
    """One call to whoever counts, with what all its results used and cost; `None`: nothing was answered."""
    job.operation = ANALYZE
    results = [result for analysis in filled for result in results_of(analysis)]
    if not results:
        return None
    cost, refs = add_costs([(result.cost, result.price_ref) for result in results])
    usage = tuple(used for result in results for used in result.usage)
    envelope = results[0].model_dump(include=_ENVELOPE)
    return Result().filled(**envelope, usage=usage, cost=cost, price_ref=refs)


def _filled(job: Job, step: Step[Any], answers: Iterable[Iterable[Analysis]]) -> tuple[Analysis, ...]:
    """The envelope on every result of every image of every request."""
    filled = []
    step = replace(step, parts=None)
    for answer in chain.from_iterable(answers):
        update = {}
        for operation, field in ANALYSIS_FIELDS.items():
            result: Result | None = getattr(answer, field)
            if result is not None:
                job.operation = operation
                update[field] = job.finish(step, [result], TYPES[operation].result)
        filled.append(answer.model_copy(update=update))
    return tuple(filled)


def _request(request: AnalyzeRequest, image: Media, operation: str) -> ImageRequest:
    """The single-operation request; it takes the filters that its type has."""
    kind = TYPES[operation].request
    filters = {"max_results": request.max_results, "min_confidence": request.min_confidence}
    taken = {name: value for name, value in filters.items() if name in kind.model_fields and value is not None}
    made = kind.model_validate({"image": image, **taken})
    assert isinstance(made, ImageRequest)  # ANALYSIS_FIELDS names only these
    return made


# --- one operation on one image ------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class _Failed:
    """Why not all images were answered by the backend that was to take them together."""

    backend: str
    error: ItemError
    final: bool
    """No other backend may answer the rest."""

    def given_up(self, request: AnalyzeRequest) -> Analysis:
        """The answer for an image that is not asked about any more."""
        return Analysis(errors=dict.fromkeys(request.operations, self.error))

    def told(self, result: R) -> R:
        """What another backend answered, with the reason why it was asked."""
        text = f"{self.backend} did not answer: {self.error.code}: {self.error.message}"
        return result.filled(warnings=(*result.warnings, Notice(code="fallback", message=text)))


def _failed(
    error: CloudAIError, engine: Engine, request: AnalyzeRequest, options: CallOptions, filled: Sequence[Analysis]
) -> _Failed:
    """Raises the error where nothing was answered and nobody else may be asked. What was answered is paid for."""
    plans = [engine.plan(operation, options.get("backend")) for operation in request.operations]
    final = not (_others(plans) and may_fall_back(error, request.operations[0]))
    if final and not filled:
        raise error
    return _Failed(backend=error.backend or "", error=_item_error(error), final=final)


def _one(
    run: Runner, request: AnalyzeRequest, image: Media, options: CallOptions, ends: float, failed: _Failed | None
) -> Analysis:
    results: dict[str, Result] = {}
    errors: dict[str, ItemError] = {}
    for operation in request.operations:
        try:
            single, skip = _request(request, image, operation), failed.backend if failed else None
            answer = run(operation, single, _until(ends, options), TYPES[operation].result, skip=skip)
            results[ANALYSIS_FIELDS[operation]] = failed.told(answer) if failed else answer
        except CloudAIError as error:
            errors[operation] = _item_error(error)
    return Analysis.model_validate({**results, "errors": errors})


async def _one_async(
    run: AsyncRunner, request: AnalyzeRequest, image: Media, options: CallOptions, ends: float, failed: _Failed | None
) -> Analysis:
    results: dict[str, Result] = {}
    errors: dict[str, ItemError] = {}
    for operation in request.operations:
        try:
            single, skip = _request(request, image, operation), failed.backend if failed else None
            answer = await run(operation, single, _until(ends, options), TYPES[operation].result, skip=skip)
            results[ANALYSIS_FIELDS[operation]] = failed.told(answer) if failed else answer
        except CloudAIError as error:
            errors[operation] = _item_error(error)
    return Analysis.model_validate({**results, "errors": errors})


def _item_error(error: CloudAIError) -> ItemError:
    if error.code is ErrorCode.CANCELLED:
        raise error
    return ItemError(code=error.code.value, message=error.message)
