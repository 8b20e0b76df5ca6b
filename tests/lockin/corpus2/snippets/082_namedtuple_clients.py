from typing import NamedTuple

import boto3


class Clients(NamedTuple):
    rekognition: object
    translate: object


def make(session):
    return Clients(rekognition=session.client("rekognition"), translate=session.client("translate"))


clients = make(boto3.Session())
labels = clients.rekognition.detect_labels(Image={"Bytes": b""})["Labels"]
print(clients.translate.list_languages()["Languages"])
