from typing import Any

from azure.ai.documentintelligence import DocumentIntelligenceClient
from azure.core.credentials import AzureKeyCredential
from pydantic import BaseModel, ConfigDict, PrivateAttr


class Reader(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    endpoint: str
    key: str
    _client: DocumentIntelligenceClient = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        self._client = DocumentIntelligenceClient(self.endpoint, AzureKeyCredential(self.key))

    def paragraphs(self, data: bytes) -> list[str]:
        poller = self._client.begin_analyze_document(model_id="prebuilt-read", body=data, content_type="application/octet-stream")
        while not poller.done():
            poller.wait(1)
        return [p.content for p in poller.result().paragraphs or ()]
