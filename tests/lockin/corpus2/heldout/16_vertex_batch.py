from google.cloud import aiplatform
from google.cloud.aiplatform import BatchPredictionJob

aiplatform.init(project="shop", location="europe-west1")
model = aiplatform.Model(model_name="projects/shop/locations/europe-west1/models/77")
job = BatchPredictionJob.create(
    model_name=model.resource_name,
    job_display_name="nightly",
    gcs_source="gs://shop/in.jsonl",
    gcs_destination_prefix="gs://shop/out",
    machine_type="n1-standard-4",
)
job.wait_for_resource_creation()
print(job.state)
