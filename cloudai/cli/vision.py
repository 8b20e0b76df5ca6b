"""`cloudai vision`: pictures and documents."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cloudai.cli.terminal import Grid, Shown, listed, number
from cloudai.cli.verbs import Flag, Source, Verb, comma, configure_service

if TYPE_CHECKING:
    from cloudai.types import vision as v
    from cloudai.types.geometry import Box, Region

MAX_RESULTS = Flag("max_results", "--max-results", "at most this many", int, metavar="N")
MIN_CONFIDENCE = Flag("min_confidence", "--min-confidence", "leave out what is less sure, 0 to 1", float, metavar="P")
LANGUAGE = Flag("language", "--language", "language of the names, such as en or pt-BR", metavar="TAG")
LANGUAGES = Flag("languages", "--languages", "languages to expect, such as en,de", comma, many=True, metavar="TAGS")
FEATURES = ("tables", "forms", "queries", "signatures", "layout")


def _labels(result: v.DetectLabelsResult) -> Iterable[Shown]:
    rows = tuple((label.name, number(label.confidence), listed(label.parents)) for label in result.labels)
    yield Grid(("label", "confidence", "broader"), rows, empty="no labels")


def _objects(result: v.DetectObjectsResult) -> Iterable[Shown]:
    rows = tuple((found.name, number(found.confidence), *_box(found.box)) for found in result.objects)
    yield Grid(("object", "confidence", "x", "y", "w", "h"), rows, empty="no objects")


def _faces(result: v.DetectFacesResult) -> Iterable[Shown]:
    rows = tuple(
        (
            str(index),
            number(face.confidence),
            *_box(face.box),
            listed([f"{attribute.name}={attribute.value}" for attribute in face.attributes]),
        )
        for index, face in enumerate(result.faces, start=1)
    )
    yield Grid(("face", "confidence", "x", "y", "w", "h", "attributes"), rows, empty="no faces")


def _text(result: v.ReadTextResult) -> Iterable[Shown]:
    yield result.text


def _document(result: v.ReadDocumentResult) -> Iterable[Shown]:
    yield result.text
    if result.key_values:
        rows = tuple((pair.key, pair.value, number(pair.confidence)) for pair in result.key_values)
        yield Grid(("key", "value", "confidence"), rows)
    if result.answers:
        answers = tuple((answer.query, answer.answer, number(answer.confidence)) for answer in result.answers)
        yield Grid(("question", "answer", "confidence"), answers)
    for table in result.tables:
        yield _table(table)


def _table(table: v.Table) -> Grid:
    rows = tuple(tuple(row) for row in table.to_rows())
    columns = tuple(str(column + 1) for column in range(table.columns))
    return Grid(columns, rows, title=table.title or f"table on page {table.page}")


def _moderation(result: v.ModerateResult) -> Iterable[Shown]:
    rows = tuple(
        (str(label.category), number(label.score), label.level or "-", label.vendor_name) for label in result.labels
    )
    yield Grid(("category", "score", "level", "vendor's name"), rows, empty="nothing unwanted found")


def _landmarks(result: v.DetectLandmarksResult) -> Iterable[Shown]:
    rows = tuple(
        (
            place.name,
            number(place.confidence),
            listed([f"{where.latitude:.4f} {where.longitude:.4f}" for where in place.locations]),
        )
        for place in result.landmarks
    )
    yield Grid(("landmark", "confidence", "latitude longitude"), rows, empty="no landmarks")


def _logos(result: v.DetectLogosResult) -> Iterable[Shown]:
    rows = tuple((logo.name, number(logo.confidence), *_region(logo.region)) for logo in result.logos)
    yield Grid(("logo", "confidence", "x", "y", "w", "h"), rows, empty="no logos")


def _captions(result: v.CaptionResult) -> Iterable[Shown]:
    if len(result.captions) == 1:
        yield result.captions[0].text
        return
    rows = tuple((caption.text, number(caption.confidence), *_region(caption.region)) for caption in result.captions)
    yield Grid(("caption", "confidence", "x", "y", "w", "h"), rows, empty="no caption")


def _box(box: Box) -> tuple[str, str, str, str]:
    return number(box.x, 3), number(box.y, 3), number(box.w, 3), number(box.h, 3)


def _region(region: Region | None) -> tuple[str, str, str, str]:
    return _box(region.box) if region is not None else ("-", "-", "-", "-")


VERBS = (
    Verb(
        operation="vision.read_text",
        source=Source.IMAGES,
        show=_text,
        flags=(
            LANGUAGES,
            MIN_CONFIDENCE,
            Flag("dense", "--dense", "prefer the model for dense text (a scan)", switch=True),
        ),
    ),
    Verb(
        operation="vision.read_document",
        source=Source.DOCUMENTS,
        show=_document,
        flags=(
            Flag("features", "--feature", "what to take out besides text", choices=FEATURES, many=True),
            Flag("pages", "--pages", "pages to read, such as 1-3,7", metavar="PAGES"),
            LANGUAGES,
            Flag("queries", "--query", "a question to answer from the document", many=True, metavar="TEXT"),
        ),
    ),
    Verb(
        operation="vision.detect_labels",
        source=Source.IMAGES,
        show=_labels,
        flags=(MAX_RESULTS, MIN_CONFIDENCE, LANGUAGE),
    ),
    Verb(
        operation="vision.detect_objects",
        source=Source.IMAGES,
        show=_objects,
        flags=(MAX_RESULTS, MIN_CONFIDENCE, LANGUAGE),
    ),
    Verb(
        operation="vision.detect_faces",
        source=Source.IMAGES,
        show=_faces,
        flags=(
            MAX_RESULTS,
            MIN_CONFIDENCE,
            Flag("attributes", "--attributes", "ask for age range, emotion, glasses ...", switch=True),
        ),
    ),
    Verb(operation="vision.moderate", source=Source.IMAGES, show=_moderation, flags=(MIN_CONFIDENCE,)),
    Verb(operation="vision.detect_landmarks", source=Source.IMAGES, show=_landmarks, flags=(MAX_RESULTS,)),
    Verb(operation="vision.detect_logos", source=Source.IMAGES, show=_logos, flags=(MAX_RESULTS, MIN_CONFIDENCE)),
    Verb(
        operation="vision.caption",
        source=Source.IMAGES,
        show=_captions,
        flags=(
            LANGUAGE,
            Flag("dense", "--dense", "also caption regions of the picture", switch=True),
            Flag("gender_neutral", "--gender-neutral", "say person, not man or woman", switch=True),
        ),
    ),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """One subcommand per operation."""
    configure_service(parser, VERBS)


def run(args: argparse.Namespace) -> int:
    """Runs the chosen one."""
    from cloudai.cli import calls

    return calls.run(args)
