class vision:
    class ImageAnnotatorClient:
        def label_detection(self, image):
            return []


client = vision.ImageAnnotatorClient()
print(client.label_detection(image=b""))
