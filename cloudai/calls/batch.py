"""Several operations on several images: one request where one backend takes them so, else one call for each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from cloudai.calls.cost import UNKNOWN, add_costs
from cloudai.calls.engine import CallOptions, Engine
from cloudai.calls.fitting import prepare
from cloudai.calls.job import Job, Step, begin, cancelled, end
from cloudai.calls.policy import may_fall_back, turn
from cloudai.calls.run import AsyncRunner, Runner
from cloudai.calls.split import images
from cloudai.driver import Analyze
from cloudai.errors import CloudAIError, ErrorCode
from cloudai.operations import TYPES
from cloudai.types.media import Media
from cloudai.types.results import Result
from cloudai.types.vision import ANALYSIS_FIELDS, Analysis, AnalyzeRequest, ImageRequest, ItemError, results_of

if TYPE_CHECKING:
    from cloudai.backends import Candidate

ANALYZE: Final = "vision.analyze"
"""The name under which such a call is counted: it has several operations."""
_ENVELOPE: Final[set[str]] = {"provider", "backend", "region", "model"}


def analyze(run: Runner, request: AnalyzeRequest, options: CallOptions) -> tuple[Analysis, ...]:
    """An answer per image, in order."""
    packed = _packed(run.engine, request, options)
    if packed is not None:
        job, step = packed
        try:
            filled = _filled(job, step, run.answers(job, step))
        except BaseException as error:
            _failed(job, error)
            if not isinstance(error, CloudAIError):
                raise
            _raise_if_final(error, run.engine, request, options)
            skip = step.chosen.backend.name
        else:
            _answered(job, filled)
            return filled
    else:
        skip = None
    return tuple([_one(run, request, image, options, skip) for image in request.images])


async def analyze_async(run: AsyncRunner, request: AnalyzeRequest, options: CallOptions) -> tuple[Analysis, ...]:
    """The same with `await`."""
    packed = _packed(run.engine, request, options)
    if packed is not None:
        job, step = packed
        try:
            filled = _filled(job, step, await run.answers(job, step))
        except BaseException as error:
            _failed(job, error)
            if not isinstance(error, CloudAIError):
                raise
            _raise_if_final(error, run.engine, request, options)
            skip = step.chosen.backend.name
        else:
            _answered(job, filled)
            return filled
    else:
        skip = None
    return tuple([await _one_async(run, request, image, options, skip) for image in request.images])


def _failed(job: Job, error: BaseException) -> None:
    job.operation = ANALYZE
    end(job, None, error if isinstance(error, CloudAIError) else cancelled(ANALYZE))


def _answered(job: Job, filled: Iterable[Analysis]) -> None:
    """One call to whoever counts, with what all its results used and cost."""
    job.operation = ANALYZE
    results = [result for analysis in filled for result in results_of(analysis)]
    cost, refs = add_costs([(result.cost, result.price_ref) for result in results] or [UNKNOWN])
    one = results[0] if results else Result()
    usage = tuple(used for result in results for used in result.usage)
    envelope = one.model_dump(include=_ENVELOPE)
    end(job, Result().filled(**envelope, usage=usage, cost=cost, price_ref=refs), None)


def _packed(engine: Engine, request: AnalyzeRequest, options: CallOptions) -> tuple[Job, Step[Any]] | None:
    """As few requests as can be, when the first backend of every operation is the same and takes them together."""
    try:
        firsts = [engine.candidates(operation, options.get("backend"))[0] for operation in request.operations]
    except CloudAIError:
        return None
    backend = firsts[0].backend
    if any(first.backend is not backend for first in firsts) or not isinstance(backend.driver, Analyze):
        return None
    job = begin(engine, request.operations[0], options)
    try:
        fitted = tuple([_fitted(job, firsts, image) for image in request.images])
    except CloudAIError as error:
        _failed(job, error)
        raise
    mine = turn(
        engine.config.policy,
        ends=job.ends,
        timeout=job.timeout,
        backends_left=1,
        operation=request.operations[0],
        lane=engine.lane(firsts[0], request.operations[0]),
    )
    job.turns.append(mine)
    chosen = firsts[0].calling(backend.driver.analyze)
    whole = request.model_copy(update={"images": fitted})
    parts = images(whole, firsts[0].declared.limits)
    return job, Step(chosen=chosen, request=whole, notices=(), turn=mine, parts=parts)


def _fitted(job: Job, firsts: list[Candidate], image: Media) -> Media:
    """The image within the limits of every operation asked for."""
    for first in firsts:
        made, _ = prepare(job, first, ImageRequest(image=image))
        image = made.requests[0].image
    return image


def _raise_if_final(error: CloudAIError, engine: Engine, request: AnalyzeRequest, options: CallOptions) -> None:
    """Another backend may answer only where each operation has one."""
    wanted = options.get("backend")
    alone = any(len(engine.candidates(operation, wanted)) < 2 for operation in request.operations)
    if alone or not may_fall_back(error, request.operations[0]):
        raise error


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


def _one(run: Runner, request: AnalyzeRequest, image: Media, options: CallOptions, skip: str | None) -> Analysis:
    results: dict[str, Result] = {}
    errors: dict[str, ItemError] = {}
    for operation in request.operations:
        try:
            single = _request(request, image, operation)
            results[ANALYSIS_FIELDS[operation]] = run(operation, single, options, TYPES[operation].result, skip=skip)
        except CloudAIError as error:
            errors[operation] = _item_error(error)
    return Analysis.model_validate({**results, "errors": errors})


async def _one_async(
    run: AsyncRunner, request: AnalyzeRequest, image: Media, options: CallOptions, skip: str | None
) -> Analysis:
    results: dict[str, Result] = {}
    errors: dict[str, ItemError] = {}
    for operation in request.operations:
        try:
            single = _request(request, image, operation)
            answer = await run(operation, single, options, TYPES[operation].result, skip=skip)
            results[ANALYSIS_FIELDS[operation]] = answer
        except CloudAIError as error:
            errors[operation] = _item_error(error)
    return Analysis.model_validate({**results, "errors": errors})


def _item_error(error: CloudAIError) -> ItemError:
    if error.code is ErrorCode.CANCELLED:
        raise error
    return ItemError(code=error.code.value, message=error.message)
