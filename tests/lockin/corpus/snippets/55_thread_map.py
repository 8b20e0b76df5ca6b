from concurrent.futures import ThreadPoolExecutor

import boto3

rek = boto3.client("rekognition")


def one(data):
    return rek.detect_moderation_labels(Image={"Bytes": data})


with ThreadPoolExecutor(8) as pool:
    for answer in pool.map(one, [b""]):
        print(answer["ModerationLabels"])
