"""Lambda: an object was put into the bucket."""

import json
import urllib.parse

from app.clients import s3, table
from app.moderator import Moderator

moderator = Moderator()


def handler(event, context):
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = urllib.parse.unquote_plus(record["s3"]["object"]["key"])
        verdict = moderator.check(bucket, key)
        table.put_item(Item={"key": key, "verdict": json.dumps(verdict)})
        if not verdict["ok"]:
            s3.copy_object(Bucket="quarantine", Key=key, CopySource={"Bucket": bucket, "Key": key})
            s3.delete_object(Bucket=bucket, Key=key)
    return {"statusCode": 200}
