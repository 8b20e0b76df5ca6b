from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from msrest.authentication import ApiKeyCredentials

predictor = CustomVisionPredictionClient("https://cv.cognitiveservices.azure.com/", ApiKeyCredentials(in_headers={}))
results = predictor.classify_image("project", "Iteration3", b"")
for p in results.predictions:
    print(p.tag_name, p.probability)
