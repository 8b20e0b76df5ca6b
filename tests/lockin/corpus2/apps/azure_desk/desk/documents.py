import os

from azure.ai.documentintelligence import DocumentIntelligenceClient
from azure.ai.documentintelligence.models import AnalyzeDocumentRequest, AnalyzeResult, DocumentAnalysisFeature
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ServiceRequestError

client = DocumentIntelligenceClient(
    endpoint=os.environ["DI_ENDPOINT"], credential=AzureKeyCredential(os.environ["DI_KEY"])
)


def invoice(url: str) -> dict[str, str]:
    try:
        poller = client.begin_analyze_document("prebuilt-invoice", AnalyzeDocumentRequest(url_source=url))
        result: AnalyzeResult = poller.result()
    except (HttpResponseError, ServiceRequestError) as error:
        raise SystemExit(str(error))
    out = {}
    for document in result.documents or []:
        vendor = document.fields.get("VendorName")
        total = document.fields["InvoiceTotal"]
        if vendor:
            out["vendor"] = vendor.value_string
        out["total"] = f"{total.value_currency.amount} {total.confidence:.2f}"
    return out


def layout(path: str) -> list[str]:
    with open(path, "rb") as f:
        poller = client.begin_analyze_document(
            "prebuilt-layout",
            body=f,
            features=[DocumentAnalysisFeature.LANGUAGES],
            pages="1-3",
        )
    return [line.content for page in poller.result().pages for line in page.lines]
