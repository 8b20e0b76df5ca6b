terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

# resource "aws_rekognition_collection" "old" {}
resource "aws_s3_bucket" "audio" {
  bucket = "acme-audio"
}

resource "aws_rekognition_collection" "faces" {
  collection_id = "faces"
}

resource "aws_sagemaker_endpoint" "defects" {
  name                 = "defects"
  endpoint_config_name = aws_sagemaker_endpoint_configuration.defects.name
}

resource "aws_sagemaker_endpoint_configuration" "defects" {
  production_variants {
    variant_name = "a"
    model_name   = "defects"
  }
}

resource "azurerm_cognitive_account" "speech" {
  name     = "acme-speech"
  kind     = "SpeechServices"
  sku_name = "S0"
}

resource "google_project_service" "tts" {
  service = "texttospeech.googleapis.com"
}

resource "google_document_ai_processor" "invoices" {
  location     = "eu"
  type         = "INVOICE_PROCESSOR"
  display_name = "invoices"
}

resource "aws_iam_policy" "polly" {
  policy = jsonencode({
    Statement = [{ Effect = "Allow", Action = ["polly:SynthesizeSpeech"], Resource = "*" }]
  })
}
