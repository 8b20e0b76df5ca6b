"""A request made to fit one backend: arguments checked, files read once, limits held, long texts in parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from cloudai.calls.limits import fit, scheme
from cloudai.calls.split import Parts, parts
from cloudai.errors import InvalidInput
from cloudai.operations import TYPES
from cloudai.types.results import Model, Notice

if TYPE_CHECKING:
    from cloudai.backends import Candidate
    from cloudai.calls.engine import Engine
    from cloudai.calls.job import Job
    from cloudai.types.media import Media, MediaLike

M = TypeVar("M", bound=Model)


def checked(build: Callable[[], M]) -> M:
    """Builds a request; pydantic's complaint becomes one line of `InvalidInput`."""
    try:
        return build()
    except ValueError as error:
        from pydantic import ValidationError  # whose import statement alone takes a microsecond

        if not isinstance(error, ValidationError):
            raise
        first = error.errors(include_input=False, include_url=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{name}: {first['msg']}") from None


def load_media(engine: Engine, operation: str, source: MediaLike, timeout: float) -> Media:
    """One guarded input."""
    from cloudai.calls.media import load

    kind = TYPES[operation].kind
    assert kind is not None  # only operations with media come here
    return load(source, kind, guard=engine.guard, timeout=timeout)


def prepare(job: Job, chosen: Candidate, request: M) -> tuple[Parts[M], tuple[Notice, ...]]:
    """Fits the request to one backend's declared limits: raises `TooLarge` or `InvalidInput` before sending."""
    whose = chosen.backend.name
    types = TYPES[job.operation]
    if types.text is not None:
        return parts(job.operation, request, chosen.declared, whose=whose), ()
    if types.media is None:
        return Parts(requests=(request,)), ()
    media: Media = getattr(request, types.media)
    fitted, notices = fit(
        fetch_for(job, chosen, media),
        limits=chosen.declared.limits,
        content_types=chosen.declared.content_types,
        whose=whose,
        resize=job.options.get("resize", False),
    )
    if fitted is not media:
        request = request.model_copy(update={types.media: fitted})
    return Parts(requests=(request,)), notices


def fetch_for(job: Job, chosen: Candidate, media: Media) -> Media:
    """An object that the backend can't read by address is read with another backend's credentials."""
    from cloudai.calls.media import fetched
    from cloudai.driver import FetchesObjects

    if media.data is not None or (kind := scheme(media)) in chosen.declared.sources:
        return media
    for backend in job.engine.backends.values():
        if isinstance(backend.driver, FetchesObjects) and kind in backend.driver.fetches:
            call = job.call(backend, job.timeout)
            data = backend.driver.fetch(str(media.uri), max_bytes=job.engine.guard.max_bytes, call=call)
            return fetched(media, data, guard=job.engine.guard)
    raise InvalidInput(
        f"{chosen.backend.name} can't read {kind} objects and no configured backend can fetch them: pass the bytes",
        operation=job.operation,
    )


def may_fetch(operation: str, request: Model) -> bool:
    """Whether fitting the request may read from the network."""
    name = TYPES[operation].media
    return name is not None and getattr(request, name).data is None
