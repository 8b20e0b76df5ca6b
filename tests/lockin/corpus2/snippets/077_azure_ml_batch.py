from azure.ai.ml import Input, MLClient
from azure.identity import DefaultAzureCredential

client = MLClient(DefaultAzureCredential(), "sub", "group", "workspace")
job = client.batch_endpoints.invoke(
    endpoint_name="night",
    input=Input(type="uri_folder", path="azureml://datastores/in/paths/day1"),
)
client.jobs.stream(job.name)
