from __future__ import annotations

from google.cloud import translate_v3 as translate

PROJECT = "acme-archive"
PARENT = f"projects/{PROJECT}/locations/us-central1"
GLOSSARY = PARENT + "/glossaries/archive-terms"


async def to_german(texts: list[str]) -> list[str]:
    client = translate.TranslationServiceAsyncClient()
    request = translate.TranslateTextRequest(
        parent=PARENT,
        contents=texts,
        mime_type="text/plain",
        target_language_code="de",
        glossary_config=translate.TranslateTextGlossaryConfig(glossary=GLOSSARY),
    )
    response = await client.translate_text(request=request)
    return [t.translated_text for t in response.glossary_translations or response.translations]


def language_of(text: str) -> str:
    with translate.TranslationServiceClient() as client:
        answer = client.detect_language(content=text, parent=PARENT, mime_type="text/plain")
        first, *_ = answer.languages
        return first.language_code if first.confidence > 0.5 else "und"
