"""Arithmetic only: nothing of a cloud."""
import numpy as np


class Detector:
    def detect_text(self, x):
        return {"TextDetections": x}

    def analyze(self, x):
        return x


d = Detector()
print(d.detect_text(np.arange(3))["TextDetections"], d.analyze(1))
a = np.array([1, 2])
a.translate = lambda **k: k
a.translate(Text="x")
