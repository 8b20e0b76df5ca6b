from google.cloud import vision_v1
from google.cloud.vision_v1 import types

FEATURES = [
    {"type_": vision_v1.Feature.Type.LABEL_DETECTION, "max_results": 10},
    {"type_": vision_v1.Feature.Type.SAFE_SEARCH_DETECTION},
]


def describe(uri):
    client = vision_v1.ImageAnnotatorClient()
    request = {"image": {"source": {"image_uri": uri}}, "features": FEATURES}
    answer = client.annotate_image(request)
    labels = {label.description: label.score for label in answer.label_annotations}
    safe = answer.safe_search_annotation
    return labels, safe.adult >= types.Likelihood.LIKELY
