from google.cloud.translate_v3 import TranslationServiceAsyncClient


async def go(texts):
    client = TranslationServiceAsyncClient()
    answer = await client.translate_text(contents=texts, target_language_code="fr", parent="projects/p1/locations/global")
    return [x.translated_text for x in answer.translations]
