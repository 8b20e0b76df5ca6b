import logging

from botocore.exceptions import ClientError

from .aws import Aws
from .settings import settings

log = logging.getLogger(__name__)


class ImageGate:
    def __init__(self, aws: Aws, threshold: float = 75.0):
        self._rek = aws.rekognition
        self._threshold = threshold

    def _s3(self, key):
        return {"S3Object": {"Bucket": settings.bucket, "Name": key}}

    def labels(self, key):
        answer = self._rek.detect_moderation_labels(
            Image=self._s3(key),
            MinConfidence=self._threshold,
            ProjectVersion=settings.adapter,
        )
        return {entry["Name"]: entry["Confidence"] / 100 for entry in answer["ModerationLabels"]}

    def has_minor(self, key):
        try:
            faces = self._rek.detect_faces(Image=self._s3(key), Attributes=["AGE_RANGE"])
        except self._rek.exceptions.InvalidImageFormatException:
            log.warning("not an image: %s", key)
            return False
        except ClientError as error:
            if error.response["Error"]["Code"] == "ThrottlingException":
                return None
            raise
        return any(face["AgeRange"]["Low"] < 16 for face in faces.get("FaceDetails", []))

    def staff(self, key):
        found = self._rek.search_faces_by_image(
            CollectionId="staff", Image=self._s3(key), MaxFaces=1, FaceMatchThreshold=95
        )
        match found["FaceMatches"]:
            case []:
                return None
            case [{"Face": {"ExternalImageId": who}}, *_]:
                return who
