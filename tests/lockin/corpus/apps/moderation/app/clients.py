"""Clients of AWS, made in one place."""

import os

import boto3
from botocore.config import Config

REGION = os.environ.get("AWS_REGION", "eu-west-1")
_config = Config(retries={"max_attempts": 5, "mode": "adaptive"})


def make_client(service):
    return boto3.client(service, region_name=REGION, config=_config)


def rekognition():
    session = boto3.Session(profile_name=os.environ.get("AWS_PROFILE"))
    return session.client("rekognition", region_name=REGION)


s3 = boto3.client("s3")
table = boto3.resource("dynamodb").Table("moderation-results")
