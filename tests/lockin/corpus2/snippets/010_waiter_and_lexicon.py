import boto3

sagemaker = boto3.client("sagemaker")
sagemaker.create_endpoint(EndpointName="churn", EndpointConfigName="churn-v2")
waiter = sagemaker.get_waiter("endpoint_in_service")
waiter.wait(EndpointName="churn", WaiterConfig={"Delay": 30})
