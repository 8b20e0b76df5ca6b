import requests

reply = requests.post("https://api.example.com/translate", json={"text": "a"})
print(reply.json()["translations"][0]["text"])
