import cv2

client = cv2.CascadeClassifier("haarcascade_frontalface_default.xml")
image = cv2.imread("p.jpg")
faces = client.detectMultiScale(image)
response = {"FaceDetails": [{"BoundingBox": face} for face in faces]}
print(response["FaceDetails"][0]["BoundingBox"])
