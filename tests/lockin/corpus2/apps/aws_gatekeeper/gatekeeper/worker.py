import json

import boto3

from .aws import Aws
from .images import ImageGate
from .settings import settings
from .words import Words


def main():
    aws = Aws()
    gate = ImageGate(aws)
    words = Words(aws)
    sqs = boto3.client("sqs")
    while True:
        batch = sqs.receive_message(QueueUrl=settings.queue_url, WaitTimeSeconds=20)
        for message in batch.get("Messages", []):
            body = json.loads(message["Body"])
            verdict = {"labels": gate.labels(body["key"]), "pii": list(words.pii(body["caption"]))}
            aws.table.put_item(Item={"key": body["key"], **verdict})
            sqs.delete_message(QueueUrl=settings.queue_url, ReceiptHandle=message["ReceiptHandle"])


if __name__ == "__main__":
    main()
