import requests

BASE = "https://vision.acme.example/v1"
response = requests.post(f"{BASE}/images:annotate", json={"requests": [{"image": {"content": ""}}]}, timeout=5)
print(response.json()["responses"][0]["labelAnnotations"])
