from cloudai import Client

client = Client()


def read(path):
    result = client.vision.read_text(path)
    return result.text


def moderate(path):
    return client.vision.moderate(path, options={"aws": {"ProjectVersion": "arn:aws:rekognition:us-east-1:123456789012:project/p/version/v/1"}})
