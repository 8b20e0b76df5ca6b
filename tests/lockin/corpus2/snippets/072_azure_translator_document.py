from azure.ai.translation.document import DocumentTranslationClient
from azure.core.credentials import AzureKeyCredential

client = DocumentTranslationClient("https://tr.cognitiveservices.azure.com", AzureKeyCredential("k"))
poller = client.begin_translation("https://a.blob.core.windows.net/in", "https://a.blob.core.windows.net/out", "fr")
for document in poller.result():
    print(document.status, document.translated_document_url)
