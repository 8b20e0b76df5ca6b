from google.cloud import aiplatform as ai

ai.init(project="p", location="us-central1")
dataset = ai.ImageDataset("projects/p/locations/us-central1/datasets/42")
job = ai.AutoMLImageTrainingJob(display_name="parts", prediction_type="classification")
model = job.run(dataset=dataset, budget_milli_node_hours=8000)
model.batch_predict(job_display_name="night", gcs_source="gs://p/in.jsonl", gcs_destination_prefix="gs://p/out")
