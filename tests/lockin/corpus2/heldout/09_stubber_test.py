import boto3
import pytest
from botocore.stub import Stubber


@pytest.fixture()
def translate():
    client = boto3.client("translate", region_name="us-east-1")
    with Stubber(client) as stub:
        stub.add_response("translate_text", {"TranslatedText": "hallo", "SourceLanguageCode": "en", "TargetLanguageCode": "de"})
        yield client


class TestHello:
    def test_german(self, translate):
        answer = translate.translate_text(Text="hello", SourceLanguageCode="en", TargetLanguageCode="de")
        assert answer["TranslatedText"] == "hallo"
