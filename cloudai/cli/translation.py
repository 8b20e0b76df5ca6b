"""`cloudai translation`: text and documents to another language, and which language a text is in."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cloudai.cli.terminal import Grid, Shown, listed, number
from cloudai.cli.verbs import Flag, Source, Verb, configure_service

if TYPE_CHECKING:
    from cloudai.types import translation as t

TARGET = Flag("target", "--to", "language to translate to, such as de or pt-BR", required=True, metavar="TAG")
SOURCE = Flag("source", "--from", "language of the text; detected when not given", metavar="TAG")
GLOSSARY = Flag("glossary", "--glossary", "the provider's id of a glossary", metavar="ID")


def _translations(result: t.TranslateResult) -> Iterable[Shown]:
    for translation in result.translations:
        yield translation.text


def _detections(result: t.DetectLanguageResult) -> Iterable[Shown]:
    rows = tuple(
        (
            found.language,
            number(found.confidence),
            listed([f"{guess.language} {number(guess.confidence)}" for guess in found.alternatives]),
        )
        for found in result.detections
    )
    yield Grid(("language", "confidence", "alternatives"), rows)


def _languages(result: t.LanguagesResult) -> Iterable[Shown]:
    rows = tuple(
        (
            language.code,
            language.name or "-",
            "yes" if language.source else "no",
            "yes" if language.target else "no",
            "all" if language.targets is None else listed(language.targets),
        )
        for language in result.languages
    )
    yield Grid(("language", "name", "from", "to", "to which"), rows, empty="no languages")


def _written(_: t.TranslateDocumentResult) -> Iterable[Shown]:
    return ()  # its document is written, not shown


VERBS = (
    Verb(
        operation="translation.translate",
        source=Source.TEXTS,
        show=_translations,
        flags=(
            TARGET,
            SOURCE,
            Flag("format", "--format", "how the text is marked up", choices=("plain", "html")),
            GLOSSARY,
            Flag("formality", "--formality", "how the reader is addressed", choices=("formal", "informal")),
            Flag("profanity", "--profanity", "what becomes of it", choices=("keep", "mask", "remove", "tag")),
            Flag("model", "--model", "the provider's id of a custom model", metavar="ID"),
        ),
    ),
    Verb(operation="translation.detect_language", source=Source.TEXTS, show=_detections),
    Verb(
        operation="translation.languages",
        source=Source.NOTHING,
        show=_languages,
        flags=(Flag("display_language", "--display-language", "language of the names", metavar="TAG"),),
    ),
    Verb(
        operation="translation.translate_document",
        source=Source.DOCUMENTS,
        show=_written,
        binary="document",
        flags=(TARGET, SOURCE, GLOSSARY),
    ),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """One subcommand per operation."""
    configure_service(parser, VERBS)


def run(args: argparse.Namespace) -> int:
    """Runs the chosen one."""
    from cloudai.cli import calls

    return calls.run(args)
