from azure.ai.documentintelligence.aio import DocumentIntelligenceClient
from azure.ai.documentintelligence.models import AnalyzeDocumentRequest
from azure.core.credentials import AzureKeyCredential


async def read(url):
    async with DocumentIntelligenceClient("https://di.cognitiveservices.azure.com", AzureKeyCredential("k")) as client:
        poller = await client.begin_analyze_document("prebuilt-layout", AnalyzeDocumentRequest(url_source=url))
        result = await poller.result()
        return [line.content for page in result.pages for line in page.lines]
