import requests

URL = "https://vision.googleapis.com/v1/images:annotate"
body = {"requests": [{"image": {"content": ""}, "features": [{"type": "TEXT_DETECTION"}]}]}
r = requests.post(URL, params={"key": "k"}, json=body)
print(r.json()["responses"][0]["fullTextAnnotation"]["text"])
