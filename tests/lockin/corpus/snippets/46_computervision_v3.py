from azure.cognitiveservices.vision.computervision import ComputerVisionClient
from msrest.authentication import CognitiveServicesCredentials

client = ComputerVisionClient("https://x.cognitiveservices.azure.com/", CognitiveServicesCredentials("k"))
handle = client.read("https://e.org/a.png", raw=True).headers["Operation-Location"]
got = client.get_read_result(handle.split("/")[-1])
for page in got.analyze_result.read_results:
    for line in page.lines:
        print(line.text)
