from dataclasses import dataclass
import boto3


@dataclass
class Service:
    region: str = "us-east-1"

    @property
    def rek(self):
        return boto3.client("rekognition", region_name=self.region)

    def labels(self, data):
        response = self.rek.detect_labels(Image={"Bytes": data})
        return {l["Name"]: [i["BoundingBox"] for i in l["Instances"]] for l in response["Labels"]}
