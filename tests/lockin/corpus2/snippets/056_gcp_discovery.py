import base64

from googleapiclient import discovery
from googleapiclient.errors import HttpError

service = discovery.build("vision", "v1", cache_discovery=False)
body = {"requests": [{"image": {"content": base64.b64encode(b"").decode()}, "features": [{"type": "LABEL_DETECTION"}]}]}
try:
    answer = service.images().annotate(body=body).execute()
    print(answer["responses"][0]["labelAnnotations"])
except HttpError as error:
    print(error)
