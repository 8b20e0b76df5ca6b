import os

from azure.ai.vision.imageanalysis import ImageAnalysisClient
from azure.ai.vision.imageanalysis.models import VisualFeatures
from azure.identity import DefaultAzureCredential


def describe(url):
    with ImageAnalysisClient(os.environ["VISION_ENDPOINT"], DefaultAzureCredential()) as client:
        result = client.analyze_from_url(image_url=url, visual_features=[VisualFeatures.CAPTION], gender_neutral_caption=True)
    if result.caption is not None:
        return result.caption.text, result.caption.confidence


def words(data: bytes):
    client = ImageAnalysisClient(os.environ["VISION_ENDPOINT"], DefaultAzureCredential())
    result = client.analyze(image_data=data, visual_features=[VisualFeatures.READ])
    return [line.text for block in result.read.blocks for line in block.lines]
