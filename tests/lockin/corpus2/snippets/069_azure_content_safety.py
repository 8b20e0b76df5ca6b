from azure.ai.contentsafety import ContentSafetyClient
from azure.ai.contentsafety.models import AnalyzeImageOptions, AnalyzeTextOptions, ImageData
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError

client = ContentSafetyClient("https://safe.cognitiveservices.azure.com", AzureKeyCredential("k"))
request = AnalyzeImageOptions(image=ImageData(content=b""))
try:
    response = client.analyze_image(request)
except HttpResponseError as e:
    if e.error:
        print(e.error.code)
    raise
print({c.category: c.severity for c in response.categories_analysis})
client.analyze_text(AnalyzeTextOptions(text="x"))
