import boto3

rek = boto3.client(service_name="rekognition", region_name="us-west-2")
print(rek.recognize_celebrities(Image={"Bytes": open("a.jpg", "rb").read()})["CelebrityFaces"])
