import time

import boto3

t = boto3.client("textract")
while (job := t.get_document_analysis(JobId="j"))["JobStatus"] == "IN_PROGRESS":
    time.sleep(1)
print([b for b in job["Blocks"] if b["BlockType"] == "TABLE"])
