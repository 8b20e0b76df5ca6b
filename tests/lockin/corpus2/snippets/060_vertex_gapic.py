from google.cloud import aiplatform
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value

options = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
client = aiplatform.gapic.PredictionServiceClient(client_options=options)
endpoint = client.endpoint_path(project="p", location="us-central1", endpoint="123")
instances = [json_format.ParseDict({"x": 1}, Value())]
response = client.predict(endpoint=endpoint, instances=instances)
for prediction in response.predictions:
    print(dict(prediction))
