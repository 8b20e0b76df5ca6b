import numpy as np


class Client:
    def detect_labels(self, Image, MaxLabels=1):
        return {"Labels": np.zeros(3)}


client = Client()
print(client.detect_labels(Image=1, MaxLabels=2)["Labels"])
