from operator import itemgetter

import boto3

labels = boto3.client("rekognition").detect_labels(Image={"Bytes": b""})["Labels"]
for label in sorted(labels, key=itemgetter("Confidence"), reverse=True):
    print("{Name}: {Confidence}".format(**label))
    parents = ", ".join(p["Name"] for p in label.get("Parents", []))
