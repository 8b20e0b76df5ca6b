import io
import os

from google.cloud import vision

client = vision.ImageAnnotatorClient()


def load(path):
    with io.open(path, "rb") as handle:
        return vision.Image(content=handle.read())


def tags(path, limit=10):
    response = client.label_detection(image=load(path), max_results=limit)
    if response.error.message:
        raise RuntimeError(response.error.message)
    return [(label.description, label.score) for label in response.label_annotations]


def places(path):
    found = client.landmark_detection(image=load(path)).landmark_annotations
    for place in found:
        point = place.locations[0].lat_lng
        print(place.description, point.latitude, point.longitude)


def is_safe(path):
    verdict = client.safe_search_detection(image=load(path)).safe_search_annotation
    return verdict.adult < vision.Likelihood.LIKELY and verdict.violence < vision.Likelihood.LIKELY


if __name__ == "__main__":
    for name in os.listdir("pictures"):
        print(name, tags(f"pictures/{name}"), is_safe(f"pictures/{name}"))
