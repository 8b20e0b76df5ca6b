from azure.ai.ml import MLClient, command
from azure.identity import DefaultAzureCredential

ml = MLClient(DefaultAzureCredential(), "sub", "group", "workspace")
job = command(code="./src", command="python train.py", environment="azureml:pytorch@latest", compute="gpu")
done = ml.jobs.create_or_update(job)
ml.online_endpoints.invoke(endpoint_name="defects", request_file="r.json")
