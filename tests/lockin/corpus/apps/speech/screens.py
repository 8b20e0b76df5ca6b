import os

from azure.ai.vision.imageanalysis import ImageAnalysisClient
from azure.ai.vision.imageanalysis.models import VisualFeatures
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError

client = ImageAnalysisClient(
    endpoint="https://acme-vision.cognitiveservices.azure.com/",
    credential=AzureKeyCredential(os.environ["VISION_KEY"]),
)


def describe(data):
    try:
        result = client.analyze(
            image_data=data,
            visual_features=[VisualFeatures.CAPTION, VisualFeatures.READ],
            gender_neutral_caption=True,
        )
    except HttpResponseError as e:
        print(e.status_code)
        return None
    caption = result.caption.text if result.caption is not None else ""
    lines = []
    if result.read is not None:
        for line in result.read.blocks[0].lines:
            lines.append((line.text, [(p.x, p.y) for p in line.bounding_polygon]))
    return caption, lines
