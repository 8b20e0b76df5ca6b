from google.api_core import exceptions as gexc
from google.cloud import vision

client = vision.ImageAnnotatorClient()
try:
    safe = client.safe_search_detection(image=vision.Image(content=b"")).safe_search_annotation
except gexc.ResourceExhausted:
    safe = None
except gexc.GoogleAPIError:
    raise
