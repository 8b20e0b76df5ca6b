import google.auth
from google.auth.transport.requests import AuthorizedSession

credentials, project = google.auth.default()
http = AuthorizedSession(credentials)
reply = http.post(
    f"https://translation.googleapis.com/v3/projects/{project}:translateText",
    json={"contents": ["hello"], "targetLanguageCode": "de"},
)
print(reply.json()["translations"][0]["translatedText"])
