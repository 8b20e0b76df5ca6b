"""Requests and results of `vision.*`. Confidence is 0..1; positions are fractions of width and height."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from cloudai.types.geometry import Box, Point, Polygon, Region
from cloudai.types.media import Media
from cloudai.types.results import Model, Result

# --- requests ------------------------------------------------------------------------------------


class ImageRequest(Model):
    """One image. `region_hint`s and filters that a driver cannot honour come back as warnings."""

    image: Media


class DetectLabelsRequest(ImageRequest):
    """`max_results` labels at most, none under `min_confidence`."""

    max_results: int | None = Field(default=None, ge=1)
    min_confidence: float | None = Field(default=None, ge=0, le=1)
    language: str | None = None
    """BCP 47 language of the label names, where the provider translates them."""


class DetectObjectsRequest(ImageRequest):
    max_results: int | None = Field(default=None, ge=1)
    min_confidence: float | None = Field(default=None, ge=0, le=1)
    language: str | None = None


class DetectFacesRequest(ImageRequest):
    max_results: int | None = Field(default=None, ge=1)
    min_confidence: float | None = Field(default=None, ge=0, le=1)
    attributes: bool = False
    """Ask for age range, emotion, glasses ... where the provider has them (may be billed or gated)."""


class ReadTextRequest(ImageRequest):
    languages: tuple[str, ...] = ()
    """BCP 47 hints; empty: the provider decides."""
    min_confidence: float | None = Field(default=None, ge=0, le=1)
    dense: bool = False
    """Prefer the provider's model for dense text (a scan) over the one for text in a scene."""


class DocumentFeature(StrEnum):
    """What to take out of a document besides its text."""

    TABLES = "tables"
    FORMS = "forms"
    QUERIES = "queries"
    SIGNATURES = "signatures"
    LAYOUT = "layout"


class ReadDocumentRequest(Model):
    document: Media
    features: tuple[DocumentFeature, ...] = ()
    pages: str | None = None
    """Pages to read, `1-3,7`; `None`: all."""
    languages: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()


class ModerateRequest(ImageRequest):
    min_confidence: float | None = Field(default=None, ge=0, le=1)


class DetectLandmarksRequest(ImageRequest):
    max_results: int | None = Field(default=None, ge=1)


class DetectLogosRequest(ImageRequest):
    max_results: int | None = Field(default=None, ge=1)
    min_confidence: float | None = Field(default=None, ge=0, le=1)


class CaptionRequest(ImageRequest):
    language: str | None = None
    dense: bool = False
    """Also caption regions of the image."""
    gender_neutral: bool = False


class AnalyzeRequest(Model):
    """Several operations on several images at once, for providers that take them in one request."""

    images: tuple[Media, ...]
    operations: tuple[str, ...]
    max_results: int | None = Field(default=None, ge=1)
    min_confidence: float | None = Field(default=None, ge=0, le=1)


# --- labels and objects --------------------------------------------------------------------------


class Label(Model):
    """`name` is normalised (lower case, single spaces: `motor vehicle`); `vendor_name` is as sent."""

    name: str
    vendor_name: str
    confidence: float | None = Field(default=None, ge=0, le=1)
    parents: tuple[str, ...] = ()
    """Normalised names of broader labels, nearest first, where the vendor has a taxonomy."""
    aliases: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    vendor_id: str | None = None
    """The vendor's stable id: a knowledge graph `mid`, a class index."""
    topicality: float | None = None


class DetectLabelsResult(Result):
    OPERATION: ClassVar[str] = "vision.detect_labels"
    labels: tuple[Label, ...] = ()
    """Highest confidence first."""


class DetectedObject(Model):
    name: str
    vendor_name: str
    confidence: float | None = Field(default=None, ge=0, le=1)
    box: Box
    polygon: Polygon | None = None
    parents: tuple[str, ...] = ()
    vendor_id: str | None = None


class DetectObjectsResult(Result):
    OPERATION: ClassVar[str] = "vision.detect_objects"
    objects: tuple[DetectedObject, ...] = ()


# --- faces ---------------------------------------------------------------------------------------


class Landmark(Model):
    """A point on a face. Neutral types: `left_eye`, `right_eye`, `nose_tip`, `mouth_left`, `mouth_right`, ...

    Left and right are the *person's*, as anatomists say it, whatever the vendor means by the word.
    """

    type: str
    vendor_type: str
    point: Point
    z: float | None = None


class Pose(Model):
    """Degrees. Yaw turns to the person's left, pitch nods up, roll tilts clockwise as seen in the image."""

    roll: float | None = None
    yaw: float | None = None
    pitch: float | None = None


class Attribute(Model):
    """One finding about a face: `glasses`, `smile`, `mask`, `age_low` ... with confidence where known."""

    name: str
    value: str | bool | float
    confidence: float | None = Field(default=None, ge=0, le=1)


class Face(Model):
    box: Box
    polygon: Polygon | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)
    landmarks: tuple[Landmark, ...] = ()
    pose: Pose | None = None
    attributes: tuple[Attribute, ...] = ()
    sharpness: float | None = Field(default=None, ge=0, le=1)
    brightness: float | None = Field(default=None, ge=0, le=1)


class DetectFacesResult(Result):
    OPERATION: ClassVar[str] = "vision.detect_faces"
    faces: tuple[Face, ...] = ()
    """Largest first."""


# --- text ----------------------------------------------------------------------------------------


class TextDirection(StrEnum):
    """Which way the line runs."""

    LEFT_TO_RIGHT = "ltr"
    RIGHT_TO_LEFT = "rtl"
    TOP_TO_BOTTOM = "ttb"


class Word(Model):
    text: str
    region: Region | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)
    language: str | None = None
    handwritten: bool | None = None


class Line(Model):
    text: str
    words: tuple[Word, ...] = ()
    region: Region | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)
    direction: TextDirection | None = None
    language: str | None = None


class Block(Model):
    """A paragraph or column: lines that are read together."""

    lines: tuple[Line, ...]
    region: Region | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)
    kind: str | None = None
    """`text`, `title`, `header`, `footer`, `list`, `figure` ... where the vendor says."""

    @property
    def text(self) -> str:
        """Its lines, one per line."""
        return "\n".join(line.text for line in self.lines)


class Page(Model):
    """`width` and `height` in pixels (or the vendor's `unit`); `angle` in degrees, clockwise."""

    number: int = 1
    width: float | None = None
    height: float | None = None
    unit: str = "pixel"
    angle: float | None = None
    blocks: tuple[Block, ...] = ()
    languages: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines, in reading order."""
        return tuple(line for block in self.blocks for line in block.lines)

    @property
    def text(self) -> str:
        """All its text, one line per line."""
        return "\n".join(line.text for line in self.lines)


class ReadTextResult(Result):
    OPERATION: ClassVar[str] = "vision.read_text"
    pages: tuple[Page, ...] = ()

    @property
    def text(self) -> str:
        """All text in reading order, one line per line."""
        return "\n".join(page.text for page in self.pages)


class Cell(Model):
    """Row and column count from 0."""

    row: int
    column: int
    row_span: int = 1
    column_span: int = 1
    text: str = ""
    header: bool = False
    region: Region | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)


class Table(Model):
    rows: int
    columns: int
    cells: tuple[Cell, ...]
    page: int = 1
    title: str | None = None
    region: Region | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)

    def to_rows(self) -> list[list[str]]:
        """The table as a grid of strings; a spanning cell fills its first field only."""
        grid = [[""] * self.columns for _ in range(self.rows)]
        for cell in self.cells:
            grid[cell.row][cell.column] = cell.text
        return grid


class KeyValue(Model):
    key: str
    value: str
    page: int = 1
    key_region: Region | None = None
    value_region: Region | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)


class QueryAnswer(Model):
    query: str
    answer: str
    page: int = 1
    confidence: float | None = Field(default=None, ge=0, le=1)
    region: Region | None = None


class ReadDocumentResult(Result):
    OPERATION: ClassVar[str] = "vision.read_document"
    pages: tuple[Page, ...] = ()
    tables: tuple[Table, ...] = ()
    key_values: tuple[KeyValue, ...] = ()
    answers: tuple[QueryAnswer, ...] = ()

    @property
    def text(self) -> str:
        """All text, pages divided by an empty line."""
        return "\n\n".join(page.text for page in self.pages)


# --- moderation, landmarks, logos, captions ------------------------------------------------------


class ModerationCategory(StrEnum):
    """The neutral taxonomy. A vendor category that fits none is `other`, with the vendor's name beside it."""

    SEXUAL = "sexual"
    NUDITY = "nudity"
    SUGGESTIVE = "suggestive"
    VIOLENCE = "violence"
    GORE = "gore"
    SELF_HARM = "self_harm"
    HATE = "hate"
    HARASSMENT = "harassment"
    DRUGS = "drugs"
    ALCOHOL = "alcohol"
    TOBACCO = "tobacco"
    GAMBLING = "gambling"
    WEAPONS = "weapons"
    RUDE_GESTURES = "rude_gestures"
    MEDICAL = "medical"
    SPOOF = "spoof"
    OTHER = "other"


class ModerationLabel(Model):
    """`score` is 0..1: the vendor's confidence, or its level in fifths; `level` is its word."""

    category: ModerationCategory
    vendor_name: str
    score: float | None = Field(default=None, ge=0, le=1)
    level: str | None = None
    """The vendor's own step where it gives no number: `LIKELY`, `severity 4`."""
    vendor_parent: str | None = None


class ModerateResult(Result):
    OPERATION: ClassVar[str] = "vision.moderate"
    labels: tuple[ModerationLabel, ...] = ()

    def score(self, category: ModerationCategory) -> float:
        """The highest score of a category; 0.0 when nothing of it was found."""
        return max((label.score or 0.0 for label in self.labels if label.category is category), default=0.0)


class PlaceLocation(Model):
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class Place(Model):
    name: str
    vendor_name: str
    confidence: float | None = Field(default=None, ge=0, le=1)
    locations: tuple[PlaceLocation, ...] = ()
    region: Region | None = None
    vendor_id: str | None = None


class DetectLandmarksResult(Result):
    OPERATION: ClassVar[str] = "vision.detect_landmarks"
    landmarks: tuple[Place, ...] = ()


class Logo(Model):
    name: str
    vendor_name: str
    confidence: float | None = Field(default=None, ge=0, le=1)
    region: Region | None = None
    vendor_id: str | None = None


class DetectLogosResult(Result):
    OPERATION: ClassVar[str] = "vision.detect_logos"
    logos: tuple[Logo, ...] = ()


class Caption(Model):
    text: str
    confidence: float | None = Field(default=None, ge=0, le=1)
    region: Region | None = None
    """The part it describes; `None`: the whole image."""


class CaptionResult(Result):
    OPERATION: ClassVar[str] = "vision.caption"
    captions: tuple[Caption, ...] = ()
    """The whole image first."""

    @property
    def text(self) -> str:
        """The caption of the whole image; empty when the provider had none."""
        return next((c.text for c in self.captions if c.region is None), "")


class ItemError(Model):
    """Why one item of a batch failed while others did not."""

    code: str
    message: str


class Analysis(Model):
    """The answers for one image: a result for each operation asked, or the reason why there is none."""

    labels: DetectLabelsResult | None = None
    objects: DetectObjectsResult | None = None
    faces: DetectFacesResult | None = None
    text: ReadTextResult | None = None
    moderation: ModerateResult | None = None
    landmarks: DetectLandmarksResult | None = None
    logos: DetectLogosResult | None = None
    caption: CaptionResult | None = None
    errors: Mapping[str, ItemError] = Field(default_factory=dict)
    """By operation name."""


ANALYSIS_FIELDS: Mapping[str, str] = {
    "vision.detect_labels": "labels",
    "vision.detect_objects": "objects",
    "vision.detect_faces": "faces",
    "vision.read_text": "text",
    "vision.moderate": "moderation",
    "vision.detect_landmarks": "landmarks",
    "vision.detect_logos": "logos",
    "vision.caption": "caption",
}
"""Which field of `Analysis` an operation answers in; these are the operations `analyze` takes."""


def results_of(analysis: Analysis) -> tuple[Result, ...]:
    """Those results that are there."""
    found = (getattr(analysis, name) for name in ANALYSIS_FIELDS.values())
    return tuple(result for result in found if result is not None)
