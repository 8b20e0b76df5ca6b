from azure.ai.ml import Input, MLClient, command
from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint
from azure.core.exceptions import ResourceNotFoundError
from azure.identity import DefaultAzureCredential

ml_client = MLClient.from_config(DefaultAzureCredential())

job = command(
    code="./src",
    command="python train.py --data ${{inputs.data}}",
    inputs={"data": Input(type="uri_file", path="azureml:churn@latest")},
    environment="AzureML-sklearn-1.5@latest",
    compute="cpu-cluster",
)
submitted = ml_client.jobs.create_or_update(job)
ml_client.jobs.stream(submitted.name)


def serve(name):
    try:
        ml_client.online_endpoints.get(name)
    except ResourceNotFoundError:
        endpoint = ManagedOnlineEndpoint(name=name, auth_mode="key")
        ml_client.online_endpoints.begin_create_or_update(endpoint).result()
    blue = ManagedOnlineDeployment(
        name="blue",
        endpoint_name=name,
        model="azureml:churn:1",
        instance_type="Standard_DS3_v2",
        instance_count=1,
    )
    ml_client.online_deployments.begin_create_or_update(blue).result()


def score(name, path):
    return ml_client.online_endpoints.invoke(endpoint_name=name, request_file=path, deployment_name="blue")
