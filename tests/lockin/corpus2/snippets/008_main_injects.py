import boto3


class Store:
    def __init__(self, client, collection):
        self.client = client
        self.collection = collection

    def add(self, data, name):
        records = self.client.index_faces(CollectionId=self.collection, Image={"Bytes": data}, ExternalImageId=name)
        return [record["Face"]["FaceId"] for record in records["FaceRecords"]]


def main():
    store = Store(boto3.client("rekognition"), "people")
    store.add(open("p.jpg", "rb").read(), "p")


main()
