"""Moderation labels of one picture."""

from __future__ import annotations

import logging

from botocore.exceptions import ClientError

from .clients import rekognition

log = logging.getLogger(__name__)
ADAPTER = "arn:aws:rekognition:eu-west-1:123456789012:project/brand-safety/version/v3/1700000000000"


class Moderator:
    def __init__(self, client=None, threshold: float = 60.0):
        self.client = client or rekognition()
        self.threshold = threshold

    def _detect(self, bucket: str, key: str):
        return self.client.detect_moderation_labels(
            Image={"S3Object": {"Bucket": bucket, "Name": key}},
            MinConfidence=self.threshold,
            ProjectVersion=ADAPTER,
        )

    def check(self, bucket: str, key: str) -> dict:
        try:
            response = self._detect(bucket, key)
        except self.client.exceptions.ImageTooLargeException:
            log.warning("too large: %s", key)
            return {"ok": False, "reason": "too_large"}
        except ClientError as error:
            if error.response["Error"]["Code"] == "ThrottlingException":
                raise
            return {"ok": False, "reason": str(error)}
        labels = response["ModerationLabels"]
        worst = max((label["Confidence"] for label in labels), default=0.0)
        names = [label.get("ParentName") or label["Name"] for label in labels]
        return {"ok": not labels, "worst": worst, "names": names, "model": response["ModerationModelVersion"]}
