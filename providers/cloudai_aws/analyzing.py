"""Several operations on one image: labels, objects and landmarks are one DetectLabels, billed once.

The other operations are requests of their own. When one fails after others were answered (and billed), it is named in
`errors` and the answers are kept; when the very first fails, that is the failure of the whole attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from cloudai.errors import RETRYABLE, CloudAIError, ErrorCode, Fault
from cloudai.types import vision as v
from cloudai.types.media import Media
from cloudai.types.results import Result
from cloudai_aws import codec_vision
from cloudai_aws.faults import fault_of
from cloudai_aws.reply import Reply, told
from cloudai_aws.settings import LabelOptions

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai_aws.driver import AwsDriver

SHARED = ("vision.detect_labels", "vision.detect_objects", "vision.detect_landmarks")
"""What one DetectLabels answers."""
Results = Mapping[str, Result]


def analyze(driver: AwsDriver, request: v.AnalyzeRequest, call: Call) -> list[v.Analysis]:
    """One answer for each image, in order."""
    answers, begun = list[v.Analysis](), False
    for image in request.images:
        found: dict[str, Result] = {}
        errors: dict[str, v.ItemError] = {}
        for operations, ask in _steps(driver, request, image, call):
            try:
                found |= ask()
            except Exception as error:
                fault = _fault(error)
                if fault is None or (not begun and fault.code in RETRYABLE):
                    raise
                failure = v.ItemError(code=fault.code.value, message=fault.message or type(error).__name__)
                errors |= dict.fromkeys(operations, failure)
            begun = True
        fields = {v.ANALYSIS_FIELDS[operation]: result for operation, result in found.items()}
        answers.append(v.Analysis.model_validate({**fields, "errors": errors}))
    return answers


def _steps(
    driver: AwsDriver, request: v.AnalyzeRequest, image: Media, call: Call
) -> Iterator[tuple[tuple[str, ...], Callable[[], Results]]]:
    """The requests to make for one image, each with the operations it answers."""
    shared = tuple(operation for operation in SHARED if operation in request.operations)
    if shared:
        yield shared, lambda: _labels(driver, shared, request, image, call)
    for operation in request.operations:
        if operation not in SHARED:
            yield (operation,), _single(driver, operation, request, image, call)


def _labels(driver: AwsDriver, shared: tuple[str, ...], request: v.AnalyzeRequest, image: Media, call: Call) -> Results:
    asked = v.DetectObjectsRequest(image=image, min_confidence=request.min_confidence, max_results=request.max_results)
    params = codec_vision.encode_labels(asked, LabelOptions())
    reply = driver.ask("rekognition", "detect_labels", params, call)
    results = {operation: _decoded(operation, reply, asked) for operation in shared}
    for operation in shared[1:]:  # the first is billed, the others came with it
        usage = tuple(each.model_copy(update={"quantity": each.quantity * 0}) for each in results[operation].usage)
        results[operation] = results[operation].model_copy(update={"usage": usage})
    return {operation: told(result, reply, call) for operation, result in results.items()}


def _decoded(operation: str, reply: Reply, asked: v.DetectObjectsRequest) -> Result:
    if operation == "vision.detect_objects":
        return codec_vision.decode_objects(reply, asked)
    if operation == "vision.detect_landmarks":
        places = v.DetectLandmarksRequest(image=asked.image, max_results=asked.max_results)
        return codec_vision.decode_landmarks(reply, places)
    found = codec_vision.decode_labels(reply)
    return found.model_copy(update={"labels": found.labels[: asked.max_results]})


def _single(
    driver: AwsDriver, operation: str, request: v.AnalyzeRequest, image: Media, call: Call
) -> Callable[[], Results]:
    least, most = request.min_confidence, request.max_results
    if operation == "vision.detect_faces":
        faces = v.DetectFacesRequest(image=image, max_results=most, min_confidence=least)
        return lambda: {operation: driver.detect_faces(faces, call)}
    if operation == "vision.read_text":
        return lambda: {operation: driver.read_text(v.ReadTextRequest(image=image, min_confidence=least), call)}
    assert operation == "vision.moderate", operation  # the client asks for what is implemented
    return lambda: {operation: driver.moderate(v.ModerateRequest(image=image, min_confidence=least), call)}


def _fault(error: Exception) -> Fault | None:
    if isinstance(error, CloudAIError):
        return Fault(code=ErrorCode(error.code), message=error.message)
    return fault_of(error)
