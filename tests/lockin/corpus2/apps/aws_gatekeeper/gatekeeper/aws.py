import boto3
from botocore.config import Config

from .settings import settings

RETRY = Config(retries={"max_attempts": 5, "mode": "adaptive"}, read_timeout=20)


class Aws:
    """One session, clients when they are needed."""

    def __init__(self, profile=None):
        self.session = boto3.session.Session(profile_name=profile or settings.profile, region_name=settings.region)
        self._clients = {}

    def client(self, name):
        if name not in self._clients:
            self._clients[name] = self.session.client(name, config=RETRY)
        return self._clients[name]

    @property
    def rekognition(self):
        return self.client("rekognition")

    @property
    def comprehend(self):
        return self.client("comprehend")

    @property
    def bucket(self):
        return self.session.resource("s3").Bucket(settings.bucket)

    @property
    def table(self):
        return self.session.resource("dynamodb").Table(settings.table)
