import json
import os

import boto3

runtime = boto3.client("sagemaker-runtime", region_name=os.environ["AWS_REGION"])
control = boto3.client("sagemaker")


def handler(event, context):
    response = runtime.invoke_endpoint(
        EndpointName=os.environ["ENDPOINT"],
        ContentType="application/json",
        Body=json.dumps({"instances": event["rows"]}),
    )
    result = json.loads(response["Body"].read().decode("utf-8"))
    return {"statusCode": 200, "body": json.dumps(result["predictions"])}


def transform(name, model, source, target):
    control.create_transform_job(
        TransformJobName=name,
        ModelName=model,
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}}},
        TransformOutput={"S3OutputPath": target},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    control.get_waiter("transform_job_completed_or_stopped").wait(TransformJobName=name)
