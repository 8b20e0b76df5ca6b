"""Long films go through a job; its end is told by SNS."""

import time

from .aws import Aws
from .settings import settings


def start(aws: Aws, key: str) -> str:
    job = aws.rekognition.start_content_moderation(
        Video={"S3Object": {"Bucket": settings.bucket, "Name": key}},
        MinConfidence=60,
    )
    return job["JobId"]


def results(aws: Aws, job_id: str):
    token = None
    while True:
        extra = {"NextToken": token} if token else {}
        page = aws.rekognition.get_content_moderation(JobId=job_id, **extra)
        if page["JobStatus"] == "IN_PROGRESS":
            time.sleep(5)
            continue
        for row in page["ModerationLabels"]:
            yield row["Timestamp"], row["ModerationLabel"]["Name"]
        token = page.get("NextToken")
        if not token:
            return
