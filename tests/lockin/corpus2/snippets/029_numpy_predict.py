import numpy as np


class Model:
    def fit(self, x, y):
        self.w = np.linalg.lstsq(x, y, rcond=None)[0]
        return self

    def predict(self, instances):
        return np.asarray(instances) @ self.w


model = Model().fit(np.eye(3), np.arange(3))
predictions = model.predict(instances=np.eye(3))
print({"predictions": predictions.tolist()}["predictions"])
