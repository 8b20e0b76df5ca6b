module "speech" {
  source  = "./modules/speech"
  actions = ["transcribe:StartTranscriptionJob"]
}

resource "aws_sagemaker_endpoint_configuration" "churn" {
  name = "churn"
  production_variants {
    variant_name           = "blue"
    model_name             = aws_sagemaker_model.churn.name
    instance_type          = "ml.m5.large"
    initial_instance_count = 1
  }
}

resource "google_document_ai_processor" "forms" {
  location     = "eu"
  display_name = "forms"
  type         = "FORM_PARSER_PROCESSOR"
}

resource "azurerm_cognitive_account" "reader" {
  kind     = "FormRecognizer"
  sku_name = "S0"
  name     = "reader"
}

data "aws_iam_policy_document" "p" {
  statement {
    actions   = ["rekognition:Detect*"]
    resources = ["arn:aws:s3:::pictures/*"]
  }
}
