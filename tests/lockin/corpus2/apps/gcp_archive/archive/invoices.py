from collections.abc import Iterator

from google.api_core.client_options import ClientOptions
from google.cloud import documentai


class Invoices:
    def __init__(self, project: str, location: str = "eu", processor: str = "3f0c11e2a9b1d0aa"):
        options = ClientOptions(api_endpoint=f"{location}-documentai.googleapis.com")
        self.client = documentai.DocumentProcessorServiceClient(client_options=options)
        self.name = self.client.processor_path(project, location, processor)

    def read(self, content: bytes, mime_type: str = "application/pdf") -> Iterator[tuple[str, str, float]]:
        raw = documentai.RawDocument(content=content, mime_type=mime_type)
        request = documentai.ProcessRequest(name=self.name, raw_document=raw, skip_human_review=True)
        document = self.client.process_document(request=request).document
        for entity in document.entities:
            yield entity.type_, entity.mention_text, entity.confidence

    def tables(self, document: documentai.Document) -> list[list[str]]:
        rows = []
        for page in document.pages:
            for table in page.tables:
                for row in table.body_rows:
                    rows.append([self._text(cell.layout, document.text) for cell in row.cells])
        return rows

    @staticmethod
    def _text(layout, text: str) -> str:
        return "".join(text[int(s.start_index) : int(s.end_index)] for s in layout.text_anchor.text_segments)
