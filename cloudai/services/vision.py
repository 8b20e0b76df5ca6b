"""`client.vision`: pictures and documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from cloudai.calls.batch import analyze
from cloudai.calls.run import CallOptions, Runner, checked
from cloudai.services.requests import analyze_request, document_request, operation_of
from cloudai.types import vision as v
from cloudai.types.media import MediaLike


class Vision:
    """Every method takes one image (bytes, path, open file, `https://`, `s3://`, `gs://`, blob URL).

    Raises `InvalidInput` for what is not an image, `TooLarge` over a limit, `Unsupported` when no backend can serve
    it, and `CloudAIError` with the code of what a backend answered. Keyword arguments of a call: see `CallOptions`.
    """

    def __init__(self, run: Runner) -> None:
        self._run = run

    def detect_labels(
        self,
        image: MediaLike,
        *,
        max_results: int | None = None,
        min_confidence: float | None = None,
        language: str | None = None,
        **call: Unpack[CallOptions],
    ) -> v.DetectLabelsResult:
        """What is in the picture: labels, highest confidence (0..1) first."""
        media = self._run.media("vision.detect_labels", image, call)
        request = checked(
            lambda: v.DetectLabelsRequest(
                image=media, max_results=max_results, min_confidence=min_confidence, language=language
            )
        )
        return self._run("vision.detect_labels", request, call, v.DetectLabelsResult)

    def detect_objects(
        self,
        image: MediaLike,
        *,
        max_results: int | None = None,
        min_confidence: float | None = None,
        language: str | None = None,
        **call: Unpack[CallOptions],
    ) -> v.DetectObjectsResult:
        """Objects with their boxes (fractions of width and height, origin top left)."""
        media = self._run.media("vision.detect_objects", image, call)
        request = checked(
            lambda: v.DetectObjectsRequest(
                image=media, max_results=max_results, min_confidence=min_confidence, language=language
            )
        )
        return self._run("vision.detect_objects", request, call, v.DetectObjectsResult)

    def detect_faces(
        self,
        image: MediaLike,
        *,
        max_results: int | None = None,
        min_confidence: float | None = None,
        attributes: bool = False,
        **call: Unpack[CallOptions],
    ) -> v.DetectFacesResult:
        """Faces, largest first, with landmarks, pose and attributes where the backend gives them."""
        media = self._run.media("vision.detect_faces", image, call)
        request = checked(
            lambda: v.DetectFacesRequest(
                image=media, max_results=max_results, min_confidence=min_confidence, attributes=attributes
            )
        )
        return self._run("vision.detect_faces", request, call, v.DetectFacesResult)

    def read_text(
        self,
        image: MediaLike,
        *,
        languages: Sequence[str] = (),
        min_confidence: float | None = None,
        dense: bool = False,
        **call: Unpack[CallOptions],
    ) -> v.ReadTextResult:
        """Text in a photo or scan: pages > blocks > lines > words; `.text` is all of it."""
        media = self._run.media("vision.read_text", image, call)
        request = checked(
            lambda: v.ReadTextRequest(
                image=media, languages=tuple(languages), min_confidence=min_confidence, dense=dense
            )
        )
        return self._run("vision.read_text", request, call, v.ReadTextResult)

    def read_document(
        self,
        document: MediaLike,
        *,
        features: Sequence[v.DocumentFeature | str] = (),
        pages: str | None = None,
        languages: Sequence[str] = (),
        queries: Sequence[str] = (),
        **call: Unpack[CallOptions],
    ) -> v.ReadDocumentResult:
        """A document's text, tables, key-value pairs and answers. `pages` as in `"1-3,7"`."""
        media = self._run.media("vision.read_document", document, call)
        request = checked(lambda: document_request(media, features, pages, languages, queries))
        return self._run("vision.read_document", request, call, v.ReadDocumentResult)

    def moderate(
        self, image: MediaLike, *, min_confidence: float | None = None, **call: Unpack[CallOptions]
    ) -> v.ModerateResult:
        """Unsafe or unwanted content, in neutral categories with the vendor's own beside them."""
        media = self._run.media("vision.moderate", image, call)
        request = checked(lambda: v.ModerateRequest(image=media, min_confidence=min_confidence))
        return self._run("vision.moderate", request, call, v.ModerateResult)

    def detect_landmarks(
        self, image: MediaLike, *, max_results: int | None = None, **call: Unpack[CallOptions]
    ) -> v.DetectLandmarksResult:
        """Famous places, with their position on earth where known."""
        media = self._run.media("vision.detect_landmarks", image, call)
        request = checked(lambda: v.DetectLandmarksRequest(image=media, max_results=max_results))
        return self._run("vision.detect_landmarks", request, call, v.DetectLandmarksResult)

    def detect_logos(
        self,
        image: MediaLike,
        *,
        max_results: int | None = None,
        min_confidence: float | None = None,
        **call: Unpack[CallOptions],
    ) -> v.DetectLogosResult:
        """Brand logos with their boxes."""
        media = self._run.media("vision.detect_logos", image, call)
        request = checked(
            lambda: v.DetectLogosRequest(image=media, max_results=max_results, min_confidence=min_confidence)
        )
        return self._run("vision.detect_logos", request, call, v.DetectLogosResult)

    def caption(
        self,
        image: MediaLike,
        *,
        language: str | None = None,
        dense: bool = False,
        gender_neutral: bool = False,
        **call: Unpack[CallOptions],
    ) -> v.CaptionResult:
        """A sentence that describes the picture; with `dense`, also its regions."""
        media = self._run.media("vision.caption", image, call)
        request = checked(
            lambda: v.CaptionRequest(image=media, language=language, dense=dense, gender_neutral=gender_neutral)
        )
        return self._run("vision.caption", request, call, v.CaptionResult)

    def analyze(
        self,
        image: MediaLike,
        *,
        operations: Sequence[str],
        max_results: int | None = None,
        min_confidence: float | None = None,
        **call: Unpack[CallOptions],
    ) -> v.Analysis:
        """Several operations on one image: in one request where one backend serves all and takes them so.

        A failed operation is in `errors`; the others are answered.
        """
        answers = self.analyze_batch(
            [image], operations=operations, max_results=max_results, min_confidence=min_confidence, **call
        )
        return answers[0]

    def analyze_batch(
        self,
        images: Sequence[MediaLike],
        *,
        operations: Sequence[str],
        max_results: int | None = None,
        min_confidence: float | None = None,
        **call: Unpack[CallOptions],
    ) -> tuple[v.Analysis, ...]:
        """The same on several images, an answer each, in order; the driver packs them into its provider's requests."""
        media = tuple([self._run.media(operation_of(operations), image, call) for image in images])
        request = checked(lambda: analyze_request(media, operations, max_results, min_confidence))
        return analyze(self._run, request, call)
