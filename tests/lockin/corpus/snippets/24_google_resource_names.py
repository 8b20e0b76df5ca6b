from google.cloud import documentai

NAME = "projects/acme/locations/eu/processors/a1b2c3d4"
client = documentai.DocumentProcessorServiceClient(client_options={"api_endpoint": "eu-documentai.googleapis.com"})
raw = documentai.RawDocument(content=b"", mime_type="application/pdf")
request = documentai.ProcessRequest(name=NAME, raw_document=raw)
document = client.process_document(request=request).document
print(document.text)
