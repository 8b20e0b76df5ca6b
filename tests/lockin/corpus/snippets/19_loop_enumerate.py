import boto3

blocks = boto3.client("textract").detect_document_text(Document={"Bytes": b""})["Blocks"]
for i, b in enumerate(blocks):
    box = b["Geometry"]["BoundingBox"]
    print(i, box["Left"], box["Top"])
