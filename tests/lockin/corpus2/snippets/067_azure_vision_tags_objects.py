from azure.ai.vision.imageanalysis.aio import ImageAnalysisClient
from azure.ai.vision.imageanalysis.models import VisualFeatures
from azure.core.credentials import AzureKeyCredential


async def objects(endpoint, key, data):
    async with ImageAnalysisClient(endpoint=endpoint, credential=AzureKeyCredential(key)) as client:
        result = await client.analyze(image_data=data, visual_features=[VisualFeatures.OBJECTS])
        return [(o.tags[0].name, o.bounding_box.x) for o in result.objects.list]
