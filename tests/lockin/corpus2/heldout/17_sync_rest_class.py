import os
from typing import Any

import requests


class Face:
    """The REST interface, with a session."""

    def __init__(self) -> None:
        self.base = os.environ["FACE_ENDPOINT"].rstrip("/") + "/face/v1.0"
        self.session = requests.Session()
        self.session.headers["Ocp-Apim-Subscription-Key"] = os.environ["FACE_KEY"]

    def _post(self, path: str, **kwargs: Any) -> Any:
        response = self.session.post(self.base + path, **kwargs)
        response.raise_for_status()
        return response.json()

    def boxes(self, data: bytes) -> list[tuple[int, int]]:
        faces = self._post("/detect", params={"detectionModel": "detection_03"}, data=data)
        return [(f["faceRectangle"]["left"], f["faceRectangle"]["top"]) for f in faces]
