"""How far diabetes has gone a year later, by ridge regression on scikit-learn's diabetes set."""

from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cloudai.training import export_onnx, hparams, log_metric, model_dir

rows, target = load_diabetes(return_X_y=True)
train_rows, test_rows, train_target, test_target = train_test_split(rows, target, test_size=0.3, random_state=0)
model = make_pipeline(StandardScaler(), Ridge(float(hparams()["alpha"]))).fit(train_rows, train_target)
log_metric("test_mae", mean_absolute_error(test_target, model.predict(test_rows)))
done = export_onnx(model, model_dir(), example=train_rows[:8], inputs=("rows",), tolerance=1e-2)
print(f"exported: largest difference {done.max_difference:.2g}, opset {done.opset}")
