import pandas as pd
import sagemaker
from sagemaker.inputs import TrainingInput
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn.estimator import SKLearn

ROLE = "arn:aws:iam::123456789012:role/ChurnTraining"

session = sagemaker.Session()


def train(bucket):
    estimator = SKLearn(
        entry_point="train.py",
        framework_version="1.2-1",
        instance_type="ml.m5.xlarge",
        role=ROLE,
        sagemaker_session=session,
    )
    estimator.fit({"train": TrainingInput(f"s3://{bucket}/train", content_type="text/csv")})
    return estimator


def serve(estimator):
    predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.c5.large", serializer=CSVSerializer())
    frame = pd.read_csv("holdout.csv")
    scores = predictor.predict(frame.to_numpy())
    predictor.delete_endpoint()
    return frame.assign(score=scores)
