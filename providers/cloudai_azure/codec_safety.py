"""Content Safety image:analyze: severities of four categories.

Wire: https://github.com/Azure/azure-rest-api-specs/tree/main/specification/cognitiveservices/data-plane/
ContentSafety/stable/2023-10-01. Severity is 0, 2, 4 or 6 of 7 (the text side's 0..7 cut to four steps): a score of ours
is severity / 6, so that nothing is 0.0 and the highest is 1.0.
"""

from __future__ import annotations

import base64
from decimal import Decimal

from cloudai.types import vision as v
from cloudai.types.media import Media
from cloudai.types.results import Usage
from cloudai.wirejson import JsonNode, dump
from cloudai_azure.codec_vision import envelope
from cloudai_azure.settings import ModerationOptions
from cloudai_azure.wire import Answer, Flow, Wire, needed_items, needed_text, needed_whole

API_VERSION = "2023-10-01"
HIGHEST = 6
CATEGORIES = {
    "Hate": v.ModerationCategory.HATE,
    "SelfHarm": v.ModerationCategory.SELF_HARM,
    "Sexual": v.ModerationCategory.SEXUAL,
    "Violence": v.ModerationCategory.VIOLENCE,
}


def moderate(request: v.ModerateRequest, options: ModerationOptions, *, raw: bool) -> Flow[v.ModerateResult]:
    answer = yield moderate_wire(request.image, options)
    return moderation_of(answer, request.min_confidence).model_copy(update=envelope(answer, raw))


def moderate_wire(media: Media, options: ModerationOptions) -> Wire:
    """The image in base64, or the blob that the resource's managed identity reads."""
    if media.data is None:
        image: dict[str, object] = {"blobUrl": media.uri}
    else:
        image = {"content": base64.b64encode(media.data).decode("ascii")}
    body: dict[str, object] = {"image": image, "outputType": "FourSeverityLevels"}
    if options.categories:
        body["categories"] = list(options.categories)
    return Wire(
        service="safety",
        path="/contentsafety/image:analyze",
        query={"api-version": API_VERSION},
        body=dump(body),
        content_type="application/json",
    )


def moderation_of(answer: Answer, least: float | None) -> v.ModerateResult:
    """Categories in which something was found, worst first."""
    found = [_label(node) for node in needed_items(answer.json, "categoriesAnalysis")]
    kept = [label for label in found if label.score and (least is None or label.score >= least)]
    kept.sort(key=lambda label: -(label.score or 0.0))
    usage = (Usage(meter="vision.moderate", unit="image", quantity=Decimal(1), variant="content-safety"),)
    return v.ModerateResult(labels=tuple(kept), usage=usage)


def _label(node: JsonNode) -> v.ModerationLabel:
    name, severity = needed_text(node, "category"), needed_whole(node, "severity")
    if not 0 <= severity <= HIGHEST + 1:
        node.at("severity").fail("not a severity")
    return v.ModerationLabel(
        category=CATEGORIES.get(name, v.ModerationCategory.OTHER),
        vendor_name=name,
        score=min(1.0, severity / HIGHEST),
        level=f"severity {severity}",
    )
