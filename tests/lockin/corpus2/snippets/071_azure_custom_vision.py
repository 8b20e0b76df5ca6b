from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from msrest.authentication import ApiKeyCredentials

trainer = CustomVisionTrainingClient("https://cv.cognitiveservices.azure.com/", ApiKeyCredentials(in_headers={"Training-key": "k"}))
project = trainer.create_project("parts")
iteration = trainer.train_project(project.id)
predictor = CustomVisionPredictionClient("https://cv.cognitiveservices.azure.com/", ApiKeyCredentials(in_headers={"Prediction-key": "k"}))
results = predictor.detect_image(project.id, "parts-v1", open("p.jpg", "rb"))
for p in results.predictions:
    print(p.tag_name, p.probability, p.bounding_box.left)
