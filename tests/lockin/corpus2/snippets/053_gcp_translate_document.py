from google.cloud import translate_v3beta1 as translate

client = translate.TranslationServiceClient()
response = client.translate_document(
    request={
        "parent": "projects/acme/locations/us-central1",
        "target_language_code": "fr-FR",
        "document_input_config": {"content": b"", "mime_type": "application/pdf"},
    }
)
print(response.document_translation.mime_type)
