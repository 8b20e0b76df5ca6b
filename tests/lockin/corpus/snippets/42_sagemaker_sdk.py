from sagemaker.pytorch import PyTorch

estimator = PyTorch(entry_point="train.py", role="role", instance_type="ml.g5.xlarge", instance_count=1)
estimator.fit({"train": "s3://b/train"})
predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.g5.xlarge")
predictor.predict([1, 2])
