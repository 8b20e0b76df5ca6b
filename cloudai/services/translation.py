"""`client.translation`: text from one language to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from cloudai.calls.run import CallOptions, Runner, checked
from cloudai.services.requests import texts_of
from cloudai.types import translation as t
from cloudai.types.media import MediaLike
from cloudai.types.speech import ProfanityMode


class Translation:
    """Languages are BCP 47. A list is sent in as few requests as the backend allows.

    Raises `InvalidInput` for text that is not valid Unicode, `TooLarge` over a limit, `Unsupported` when no backend
    can serve it, and `CloudAIError` with the code of what a backend answered. Keyword arguments of a call: see
    `CallOptions`.
    """

    def __init__(self, run: Runner) -> None:
        self._run = run

    def translate(
        self,
        text: str | Sequence[str],
        *,
        target: str,
        source: str | None = None,
        format: t.TextFormat | str = t.TextFormat.PLAIN,  # noqa: A002  # the field's word
        glossary: str | None = None,
        formality: t.Formality | str | None = None,
        profanity: ProfanityMode | str | None = None,
        model: str | None = None,
        **call: Unpack[CallOptions],
    ) -> t.TranslateResult:
        """One text (`.text`) or several (`.translations`, in order). `source=None`: detected for each."""
        request = checked(
            lambda: t.TranslateRequest(
                texts=texts_of(text),
                target=target,
                source=source,
                format=t.TextFormat(format),
                glossary=glossary,
                formality=None if formality is None else t.Formality(formality),
                profanity=None if profanity is None else ProfanityMode(profanity),
                model=model,
            )
        )
        return self._run("translation.translate", request, call, t.TranslateResult)

    def detect_language(self, text: str | Sequence[str], **call: Unpack[CallOptions]) -> t.DetectLanguageResult:
        """Which language a text is in (`.language`), or each of several (`.detections`)."""
        request = checked(lambda: t.DetectLanguageRequest(texts=texts_of(text)))
        return self._run("translation.detect_language", request, call, t.DetectLanguageResult)

    def languages(self, *, display_language: str = "en", **call: Unpack[CallOptions]) -> t.LanguagesResult:
        """The languages, and pairs where only some exist."""
        request = checked(lambda: t.LanguagesRequest(display_language=display_language))
        return self._run("translation.languages", request, call, t.LanguagesResult)

    def translate_document(
        self,
        document: MediaLike,
        *,
        target: str,
        source: str | None = None,
        glossary: str | None = None,
        **call: Unpack[CallOptions],
    ) -> t.TranslateDocumentResult:
        """A whole document with its layout kept: `.document` holds the bytes."""
        media = self._run.media("translation.translate_document", document, call)
        request = checked(
            lambda: t.TranslateDocumentRequest(document=media, target=target, source=source, glossary=glossary)
        )
        return self._run("translation.translate_document", request, call, t.TranslateDocumentResult)
