import os
from azure.ai.vision.imageanalysis import ImageAnalysisClient
from azure.ai.vision.imageanalysis.models import VisualFeatures as VF
from azure.core.credentials import AzureKeyCredential

url = os.environ.get("VISION", "https://shop.cognitiveservices.azure.com")
client = ImageAnalysisClient(endpoint=url, credential=AzureKeyCredential("x"))
res = client.analyze_from_url(image_url="https://e.org/a.png", visual_features=[VF.READ])
for line in res.read.blocks[0].lines:
    print(line.text, line.words[0].confidence)
