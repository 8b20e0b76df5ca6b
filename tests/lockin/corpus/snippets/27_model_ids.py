from azure.ai.formrecognizer import DocumentAnalysisClient
from azure.core.credentials import AzureKeyCredential

client = DocumentAnalysisClient(endpoint="https://fr.cognitiveservices.azure.com/", credential=AzureKeyCredential("k"))
poller = client.begin_analyze_document(model_id="prebuilt-receipt", document=b"")
for receipt in poller.result().documents:
    print(receipt.doc_type)
