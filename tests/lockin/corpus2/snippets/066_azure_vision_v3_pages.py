import time

from azure.cognitiveservices.vision.computervision import ComputerVisionClient
from azure.cognitiveservices.vision.computervision.models import OperationStatusCodes
from msrest.authentication import CognitiveServicesCredentials

client = ComputerVisionClient("https://acme.cognitiveservices.azure.com/", CognitiveServicesCredentials("k"))
response = client.read_in_stream(open("p.png", "rb"), language="en", raw=True)
operation_id = response.headers["Operation-Location"].split("/")[-1]
while True:
    result = client.get_read_result(operation_id)
    if result.status not in [OperationStatusCodes.running, OperationStatusCodes.not_started]:
        break
    time.sleep(1)
for page in result.analyze_result.read_results:
    for line in page.lines:
        print(line.text, line.bounding_box)
