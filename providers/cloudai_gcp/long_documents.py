"""Documents of more pages than one request takes: Document AI's `batchProcess` through a bucket of the user's. Pure.

https://cloud.google.com/document-ai/docs/reference/rest/v1/projects.locations.processors/batchProcess
A `LongDocument` says which requests to send, one after the other; what it puts into the bucket, and what Google writes
there, is in `left` and deleted by the driver however it ends.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from cloudai.delivery import submitted, unsent
from cloudai.driver import Call
from cloudai.errors import ErrorCode, TooLarge
from cloudai.http import WireReply, WireRequest
from cloudai.types import vision as v
from cloudai.wirejson import JsonNode, Malformed
from cloudai_gcp import staging
from cloudai_gcp.codec_document import (
    BATCH_PAGES,
    BYTES,
    FORM,
    FORM_PAGES,
    PAGES,
    page_numbers,
    parser_for,
    process_options,
    processor,
    read_answer,
)
from cloudai_gcp.errors import GoogleError, error_of_status, fault_of
from cloudai_gcp.objects import address, base_of, object_request
from cloudai_gcp.sending import request_of
from cloudai_gcp.wire import Target, Wire

if TYPE_CHECKING:
    from cloudai_gcp.settings import GcpSettings

FIRST_LOOK: Final = 1.0
LONGEST: Final = 10.0
"""Seconds between looks at the operation: doubled from the one to the other."""
_PASSING: Final = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.RATE_LIMITED})

Asked = Generator[WireRequest | float, WireReply | None, v.ReadDocumentResult]
"""Requests without credentials, and seconds to wait; each is answered with its reply."""


def is_long(request: v.ReadDocumentRequest, settings: GcpSettings) -> bool:
    """Whether it is too much for one request and there is a bucket to go through."""
    media = request.document
    if settings.staging_bucket is None or settings.api_key is not None or media.data is None:
        return False
    pages = len(page_numbers(request.pages)) if request.pages is not None else media.pages or 0
    return pages > PAGES or len(media.data) > BYTES


@dataclass(kw_only=True)
class LongDocument:
    """One document on its way. `left` and `operation` are what has to be tidied up."""

    request: v.ReadDocumentRequest
    target: Target
    settings: GcpSettings
    call: Call
    left: list[str] = field(default_factory=list)
    """Objects that are, or may be, in the bucket."""
    operation: Wire | None = None
    """What cancels the batch, while it may be running."""
    sent: bool = False
    """From here on, sending all of it again may be paid twice."""

    def steps(self) -> Asked:
        """Raises `GoogleError` for a batch that failed, `TooLarge` for more pages than a batch takes."""
        parser = parser_for(self.request, self.target)
        name, location = processor(self.target, parser)
        if parser is FORM and (self.request.document.pages or 0) > FORM_PAGES:
            raise TooLarge(f"the document has {self.request.document.pages} pages; the Form Parser takes {FORM_PAGES}")
        uri = staging.place(self.request.document, self.settings, self.call)
        assert uri is not None  # is_long() saw bytes
        self.left.append(uri)
        with unsent():
            yield staging.upload(uri, self.request.document, {}, self.settings.endpoint_url)
        self.sent = True
        service = f"{location}-documentai"
        started = yield from self._json(Wire(service=service, path=f"/v1/{name}:batchProcess", body=self._body(uri)))
        with submitted():
            path = f"/v1/{started.text('name')}"
            self.operation = Wire(service=service, path=f"{path}:cancel")
            ended = yield from self._ended(Wire(service=service, method="GET", path=path))
            self.operation = None
            document = yield from self._written(ended)
            return read_answer(JsonNode({"document": document.value}), self.request, parser, name, raw=self.call.raw)

    def _body(self, uri: str) -> Mapping[str, object]:
        source = {"gcsUri": uri, "mimeType": self.request.document.content_type}
        output = {"gcsUri": f"{uri}.out/", "shardingConfig": {"pagesPerShard": BATCH_PAGES}}
        options = process_options(self.request, parser_for(self.request, self.target), most=BATCH_PAGES)
        return {
            "skipHumanReview": True,
            "inputDocuments": {"gcsDocuments": {"documents": [source]}},
            "documentOutputConfig": {"gcsOutputConfig": output},
            **({"processOptions": options} if options else {}),
        }

    def _ended(self, look: Wire) -> Generator[WireRequest | float, WireReply | None, JsonNode]:
        """The operation when it is done. A look that failed is no reason to give up a batch that is paid for."""
        pause = FIRST_LOOK
        while True:
            yield pause
            pause = min(LONGEST, 2 * pause)
            try:
                node = yield from self._json(look)
            except Exception as error:
                fault = fault_of(error)
                if fault is None or fault.code not in _PASSING:
                    raise
                continue
            if node.at("error"):
                self.operation = None
                raise error_of_status(node.at("error"), final=True)
            if node.flag("done"):
                return node

    def _written(self, ended: JsonNode) -> Generator[WireRequest | float, WireReply | None, JsonNode]:
        """The one file that Google wrote."""
        (status,) = ended.at("metadata").items("individualProcessStatuses") or [ended]
        if status.at("status").integer("code"):
            raise error_of_status(status.at("status"), final=True)
        folder = status.text("outputGcsDestination") or f"{self.left[0]}.out/"
        listing = _json_of((yield listed(folder, self.settings.endpoint_url)))
        bucket, _ = address(folder)
        found = [f"gs://{bucket}/{each.text('name')}" for each in listing.items("items")]
        self.left += found
        files = [uri for uri in found if uri.endswith(".json")]
        if len(files) != 1:
            listing.fail(f"{len(files)} files where one was asked for")
        return _json_of((yield object_request(files[0], {}, self.settings.endpoint_url)))

    def _json(self, wire: Wire) -> Generator[WireRequest | float, WireReply | None, JsonNode]:
        return _json_of((yield request_of(wire, {}, self.settings.endpoint_url)))

    def cancelling(self) -> WireRequest | None:
        """The request that stops the batch; `None`: nothing runs."""
        return None if self.operation is None else request_of(self.operation, {}, self.settings.endpoint_url)

    def final(self, error: Exception) -> Exception:
        """What to raise: nothing that would have the whole document sent, and paid, again."""
        fault = fault_of(error)
        if fault is None or not self.sent:
            return error
        if fault.code is ErrorCode.DEADLINE_EXCEEDED:
            text = (
                f"the batch has not ended within {self.call.timeout:g} s and was cancelled\n"
                "give the call a longer timeout and deadline"
            )
            return GoogleError(replace(fault, message=text, retryable=False, retry_after=None))
        return GoogleError(replace(fault, retryable=False, retry_after=None))


def listed(folder: str, endpoint: str | None) -> WireRequest:
    """The objects below an address: https://cloud.google.com/storage/docs/json_api/v1/objects/list"""
    bucket, prefix = address(folder)
    url = f"{base_of(endpoint)}/storage/v1/b/{quote(bucket, safe='')}/o?{urlencode({'prefix': prefix})}"
    return WireRequest(method="GET", url=url)


def _json_of(reply: WireReply | None) -> JsonNode:
    if reply is None:
        raise Malformed("no reply")
    return JsonNode.parse(reply.body)
