from boto3 import client as make
textract = make("textract", region_name="us-east-1")
doc = textract.detect_document_text(Document={"Bytes": open("a.png", "rb").read()})
for block in doc["Blocks"]:
    if block["BlockType"] == "LINE":
        print(block["Text"])
