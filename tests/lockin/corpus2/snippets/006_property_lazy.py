import boto3


class Reader:
    _textract = None

    @property
    def textract(self):
        if not self._textract:
            self._textract = boto3.client("textract")
        return self._textract

    def lines(self, data):
        doc = self.textract.detect_document_text(Document={"Bytes": data})
        return "\n".join(b["Text"] for b in doc["Blocks"] if b["BlockType"] == "LINE")
