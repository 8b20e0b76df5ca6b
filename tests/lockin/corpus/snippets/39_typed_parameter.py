from google.cloud import vision


def logos(client: vision.ImageAnnotatorClient, content: bytes) -> list[str]:
    return [logo.description for logo in client.logo_detection(image=vision.Image(content=content)).logo_annotations]
