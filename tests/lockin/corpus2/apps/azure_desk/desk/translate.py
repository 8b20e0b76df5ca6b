from azure.ai.translation.text import TextTranslationClient
from azure.core.credentials import AzureKeyCredential


class Translator:
    def __init__(self, key: str, region: str) -> None:
        self.client = TextTranslationClient(credential=AzureKeyCredential(key), region=region)

    def __call__(self, text: str, *targets: str) -> dict[str, str]:
        answer = self.client.translate(body=[text], to_language=list(targets), from_language="en")
        (first,) = answer
        return {t.to: t.text for t in first.translations}

    def languages(self) -> list[str]:
        return sorted(self.client.get_supported_languages(scope="translation").translation)
