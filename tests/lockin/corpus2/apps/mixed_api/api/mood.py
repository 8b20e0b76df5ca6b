from azure.ai.textanalytics.aio import TextAnalyticsClient
from azure.core.credentials import AzureKeyCredential


class Mood:
    def __init__(self, endpoint: str, key: str):
        self._client = TextAnalyticsClient(endpoint=endpoint, credential=AzureKeyCredential(key))

    async def __aenter__(self):
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *args):
        await self._client.close()

    async def of(self, texts):
        answers = await self._client.analyze_sentiment(documents=texts, show_opinion_mining=True)
        return [a.sentiment for a in answers if not a.is_error]

    async def language(self, text):
        (answer,) = await self._client.detect_language([text], country_hint="de")
        return answer.primary_language.iso6391_name
