import requests

session = requests.Session()
session.headers["Ocp-Apim-Subscription-Key"] = "k"
r = session.post(
    "https://westus.api.cognitive.microsoft.com/face/v1.0/detect",
    params={"returnFaceAttributes": "glasses"},
    json={"url": "https://example.com/p.jpg"},
)
for face in r.json():
    print(face["faceRectangle"]["top"])
