import numpy as np
from scipy import signal
from skimage import transform


class Endpoint:
    def predict(self, instances):
        return type("P", (), {"predictions": np.tanh(instances)})()


class SpeechClient:
    def recognize(self, config, audio):
        return signal.find_peaks(audio)[0]


def detect_faces(image, **kw):
    return {"FaceDetails": transform.rescale(image, 0.5)}


print(Endpoint().predict(instances=np.ones(3)).predictions)
print(SpeechClient().recognize(config={"language_code": "en"}, audio=np.ones(9)))
print(detect_faces(np.ones((4, 4)), Attributes=["ALL"])["FaceDetails"])
