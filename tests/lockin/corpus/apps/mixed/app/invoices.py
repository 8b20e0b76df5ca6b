import os

from azure.ai.documentintelligence import DocumentIntelligenceClient
from azure.core.credentials import AzureKeyCredential


class InvoiceReader:
    MODEL = "prebuilt-invoice"

    def __init__(self):
        self.client = DocumentIntelligenceClient(os.environ["DI_ENDPOINT"], AzureKeyCredential(os.environ["DI_KEY"]))

    def read(self, path):
        with open(path, "rb") as f:
            poller = self.client.begin_analyze_document(self.MODEL, body=f, locale="de-DE")
        result = poller.result()
        invoice = result.documents[0]
        total = invoice.fields.get("InvoiceTotal")
        tables = [[cell.content for cell in table.cells] for table in result.tables or []]
        return (total.value_currency.amount if total else None), tables
