from google.cloud import aiplatform

aiplatform.init(project="acme", location="europe-west4")
endpoint = aiplatform.Endpoint("projects/123/locations/europe-west4/endpoints/456")
answer = endpoint.predict(instances=[{"x": 1}])
print(answer.predictions[0])
