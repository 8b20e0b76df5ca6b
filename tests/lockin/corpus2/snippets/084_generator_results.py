import boto3


def pages(client, job):
    kwargs = {"JobId": job}
    while True:
        page = client.get_document_text_detection(**kwargs)
        yield page
        if "NextToken" not in page:
            return
        kwargs["NextToken"] = page["NextToken"]


client = boto3.client("textract")
text = "\n".join(b["Text"] for p in pages(client, "j") for b in p["Blocks"] if b["BlockType"] == "LINE")
