from functools import reduce
from itertools import groupby

import boto3

pages = ["a.png", "b.png"]
texts = list(map(boto3.client("rekognition").detect_text, [{"S3Object": {"Bucket": "b", "Name": p}} for p in pages]))
merged = reduce(lambda left, right: left + right["TextDetections"], texts, [])
for kind, group in groupby(merged, key=lambda d: d["Type"]):
    for page, detection in zip(pages, group):
        print(kind, page, detection["DetectedText"], detection["Geometry"]["BoundingBox"]["Top"])
