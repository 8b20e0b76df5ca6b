import base64
import json
import os
import urllib.request

url = "https://vision.googleapis.com/v1/images:annotate?key=" + os.environ["KEY"]
body = {"requests": [{"image": {"content": base64.b64encode(b"").decode()}, "features": [{"type": "TEXT_DETECTION"}]}]}
request = urllib.request.Request(url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"})
with urllib.request.urlopen(request) as response:
    print(json.load(response)["responses"][0]["fullTextAnnotation"]["text"])
