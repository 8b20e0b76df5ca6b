from azure.ai.contentsafety import ContentSafetyClient
from azure.ai.contentsafety.models import AnalyzeImageOptions, ImageData
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

client = ContentSafetyClient("https://cs.cognitiveservices.azure.com/", AzureKeyCredential("k"))
try:
    response = client.analyze_image(AnalyzeImageOptions(image=ImageData(content=b"")))
except ResourceNotFoundError:
    response = None
except HttpResponseError:
    raise
for item in response.categories_analysis:
    print(item.category, item.severity)
