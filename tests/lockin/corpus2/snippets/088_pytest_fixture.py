import boto3
import pytest


@pytest.fixture
def client():
    return boto3.client("rekognition", region_name="us-east-1")


def test_labels(client):
    assert client.detect_labels(Image={"Bytes": b""})["Labels"]
