variable "region" {
  type    = string
  default = "eu-central-1"
}

module "network" {
  source = "./network"
}

resource "aws_rekognition_collection" "faces" {
  for_each      = toset(["staff", "guests"])
  collection_id = each.key
}

data "aws_iam_policy_document" "api" {
  statement {
    actions = [
      "textract:AnalyzeDocument",
      "polly:SynthesizeSpeech", "polly:DescribeVoices",
      "s3:GetObject",
    ]
    resources = ["*"]
  }
}

resource "google_project_service" "apis" {
  for_each = toset(["vision.googleapis.com", "run.googleapis.com"])
  service  = each.value
}

resource "azurerm_cognitive_account" "translator" {
  name                = "mixed-translator"
  location            = "westeurope"
  resource_group_name = azurerm_resource_group.main.name
  kind                = "TextTranslation"
  sku_name            = "S1"
}

resource "aws_iam_policy" "speech" {
  name   = "speech"
  policy = <<-EOT
    {
      "Version": "2012-10-17",
      "Statement": [
        {"Effect": "Allow", "Action": "transcribe:StartTranscriptionJob", "Resource": "*"}
      ]
    }
  EOT
}
