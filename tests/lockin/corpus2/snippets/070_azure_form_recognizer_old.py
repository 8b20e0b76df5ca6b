from azure.ai.formrecognizer import DocumentAnalysisClient
from azure.core.credentials import AzureKeyCredential

with DocumentAnalysisClient("https://fr.cognitiveservices.azure.com/", AzureKeyCredential("k")) as dac:
    with open("r.pdf", "rb") as f:
        poller = dac.begin_analyze_document(model_id="prebuilt-receipt", document=f, locale="en-US")
    receipts = poller.result()
for idx, receipt in enumerate(receipts.documents, start=1):
    items = receipt.fields.get("Items")
    if items:
        for item in items.value:
            print(item.value.get("TotalPrice").value, item.confidence)
