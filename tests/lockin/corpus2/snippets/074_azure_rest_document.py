import time

import requests

endpoint = "https://di.cognitiveservices.azure.com"
url = f"{endpoint}/documentintelligence/documentModels/prebuilt-layout:analyze?api-version=2024-11-30"
head = {"Ocp-Apim-Subscription-Key": "k"}
started = requests.post(url, headers=head, json={"urlSource": "https://example.com/a.pdf"})
location = started.headers["Operation-Location"]
while True:
    status = requests.get(location, headers=head).json()
    if status["status"] in ("succeeded", "failed"):
        break
    time.sleep(1)
print(status["analyzeResult"]["content"])
