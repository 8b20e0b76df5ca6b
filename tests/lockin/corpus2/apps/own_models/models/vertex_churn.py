from google.cloud import aiplatform
from google.cloud.aiplatform import gapic  # kept for the types

aiplatform.init(project="acme-ml", location="europe-west4", staging_bucket="gs://acme-ml-staging")


def train() -> aiplatform.Model:
    job = aiplatform.CustomTrainingJob(
        display_name="churn",
        script_path="train.py",
        container_uri="europe-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-0:latest",
        requirements=["pandas"],
    )
    return job.run(replica_count=1, machine_type="n1-standard-8", args=["--epochs", "10"])


def serve(model: aiplatform.Model) -> aiplatform.Endpoint:
    return model.deploy(machine_type="n1-standard-2", min_replica_count=1, max_replica_count=3)


def score(rows: list[dict]) -> list[float]:
    endpoint = aiplatform.Endpoint(endpoint_name="projects/123456/locations/europe-west4/endpoints/789")
    prediction = endpoint.predict(instances=rows)
    print(prediction.deployed_model_id)
    return [row[0] for row in prediction.predictions]


if __name__ == "__main__":
    serve(train())
