"""InvokeEndpoint in the Open Inference Protocol, as Triton's SageMaker server speaks it.

It has no header for the JSON's length: that is a parameter of the content type, both ways.
https://github.com/triton-inference-server/server/blob/main/src/sagemaker_server.cc (read 2026-11-21)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cloudai.errors import ErrorCode, InvalidInput, ServiceError, TooLarge
from cloudai.serving.client import JSON, InferBody, decode, encode, error_of
from cloudai.types.custom import PredictRequest, PredictResult
from cloudai.wirejson import Malformed
from cloudai_aws.faults import code_of
from cloudai_aws.reply import Params, requests, told
from cloudai_aws.wire import within

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai_aws.clients import Clients

BINARY = "application/vnd.sagemaker-triton.binary+json;json-header-size="
MAX_BYTES = 6_291_456
"""Of a body, in botocore's description of the service."""
_HEADER = re.compile(r";\s*json-header-size=(\d+)\s*$")
_CODES = {404: ErrorCode.NOT_FOUND, 413: ErrorCode.TOO_LARGE, 429: ErrorCode.RATE_LIMITED, 503: ErrorCode.UNAVAILABLE}


def predict(clients: Clients, request: PredictRequest, call: Call) -> PredictResult:
    """One request. Raises `InvalidInput` for what the model says it does not take."""
    from botocore.exceptions import ClientError

    if request.images:
        raise InvalidInput("an endpoint takes tensors: give manifest=FOLDER to have images read here")
    client = clients("sagemaker-runtime")
    params = encoded(request)
    try:
        with within(call.timeout):
            reply = client.invoke_endpoint(**params)
            content: bytes = reply["Body"].read()
    except ClientError as error:
        if code_of(error) != "ModelError":
            raise
        raise _of_the_model(error) from error
    try:
        found = decode(content, length(str(reply.get("ContentType", ""))))
    except Malformed as error:
        message = f"the endpoint's answer is not the Open Inference Protocol's: {error}"
        raise ServiceError(message, code=ErrorCode.INTERNAL) from error
    result = PredictResult(
        outputs=found.outputs,
        version=reply.get("InvokedProductionVariant") or found.version,
        usage=requests("custom.predict", 1),
        model=request.model,
    )
    return told(result, {key: value for key, value in reply.items() if key != "Body"}, call)


def encoded(request: PredictRequest) -> Params:
    """Arguments of InvokeEndpoint. Raises `TooLarge` past the service's bound."""
    body = encode(request.tensors, outputs=request.outputs)
    if len(body.content) > MAX_BYTES:
        raise TooLarge(f"the tensors are {len(body.content):,} bytes; SageMaker takes {MAX_BYTES:,} in one request")
    params: Params = {"EndpointName": request.model, "ContentType": content_type(body), "Body": body.content}
    if request.version is not None:
        params["TargetVariant"] = request.version
    return params


def content_type(body: InferBody) -> str:
    """With the JSON's length, where raw tensors come behind it."""
    return JSON if body.json_bytes is None else f"{BINARY}{body.json_bytes}"


def length(given: str) -> int | None:
    """Of the JSON in an answer; `None`: all of it."""
    found = _HEADER.search(given)
    return None if found is None else int(found[1])


def _of_the_model(error: Exception) -> Exception:
    """What the container answered, by its status."""
    response = getattr(error, "response", {})
    status = int(response.get("OriginalStatusCode") or 500)
    said = str(response.get("OriginalMessage") or "")
    words = f"the model answered {status}: {(error_of(said.encode()) or said)[:500]}"
    if status in (400, 422):
        return InvalidInput(words)
    return ServiceError(words, code=_CODES.get(status, ErrorCode.INTERNAL))
