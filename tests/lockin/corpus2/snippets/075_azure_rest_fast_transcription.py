import json

import httpx

URL = "https://westeurope.api.cognitive.microsoft.com/speechtotext/transcriptions:transcribe?api-version=2024-11-15"
definition = {"locales": ["en-US"], "diarization": {"enabled": True, "maxSpeakers": 2}}

with httpx.Client(headers={"Ocp-Apim-Subscription-Key": "k"}) as client:
    files = {"audio": open("a.wav", "rb"), "definition": (None, json.dumps(definition))}
    r = client.post(URL, files=files)
    print(r.json()["combinedPhrases"][0]["text"])
