import asyncio

import boto3

rekognition = boto3.client("rekognition")


async def moderate(data):
    result = await asyncio.to_thread(rekognition.detect_moderation_labels, Image={"Bytes": data})
    return result["ModerationLabels"]
