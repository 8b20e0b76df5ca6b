import boto3

sm = boto3.client("sagemaker")
sm.create_training_job(
    TrainingJobName="defects",
    RoleArn="arn:aws:iam::123456789012:role/sm",
    AlgorithmSpecification={"TrainingImage": "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.3", "TrainingInputMode": "File"},
    EnableManagedSpotTraining=True,
)
sm.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName="defects")
