import boto3


class Gateway:
    def __init__(self, session=None):
        self._session = session or boto3.Session()

    def __enter__(self):
        self.translate = self._session.client("translate")
        self.comprehend = self._session.client("comprehend")
        return self

    def __exit__(self, *exc):
        self.translate.close()
