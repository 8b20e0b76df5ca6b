from google.api_core.exceptions import GoogleAPICallError, InvalidArgument
from google.cloud import vision

_client = None


def client():
    global _client
    if _client is None:
        _client = vision.ImageAnnotatorClient()
    return _client


def read_text(content: bytes):
    image = vision.Image(content=content)
    try:
        response = client().text_detection(image=image, image_context={"language_hints": ["en"]})
    except InvalidArgument as error:
        raise ValueError("not a picture") from error
    if response.error.message:
        raise ValueError(response.error.message)
    texts = response.text_annotations
    out = []
    for text in texts[1:]:
        box = [(v.x, v.y) for v in text.bounding_poly.vertices]
        out.append({"text": text.description, "box": box})
    return out


def read_document(content: bytes) -> str:
    image = vision.Image(content=content)
    try:
        response = client().document_text_detection(image=image)
    except GoogleAPICallError:
        return ""
    lines = []
    for page in response.full_text_annotation.pages:
        for block in page.blocks:
            for paragraph in block.paragraphs:
                words = ["".join(s.text for s in word.symbols) for word in paragraph.words]
                lines.append(" ".join(words))
    return "\n".join(lines)
