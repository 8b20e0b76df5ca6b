locals {
  services = {
    speech = "speech.googleapis.com"
    run    = "run.googleapis.com"
  }
}

resource "google_project_service" "speech" {
  project = var.project
  service = "speech.googleapis.com"
}

resource "google_vertex_ai_dataset" "images" {
  display_name        = "images"
  metadata_schema_uri = "gs://google-cloud-aiplatform/schema/dataset/metadata/image_1.0.0.yaml"
  region              = "us-central1"
}

# resource "aws_rekognition_collection" "gone" {}

/*
resource "aws_sagemaker_model" "gone" {
}
*/
