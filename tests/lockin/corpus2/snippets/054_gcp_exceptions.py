import google.api_core.exceptions
from google.api_core.exceptions import NotFound, PermissionDenied
from google.cloud import documentai_v1 as documentai

client = documentai.DocumentProcessorServiceClient()
try:
    client.process_document(request={"name": "projects/p/locations/us/processors/x1"})
except (NotFound, PermissionDenied):
    print("no such processor")
except google.api_core.exceptions.GoogleAPICallError as error:
    print(error.message)
