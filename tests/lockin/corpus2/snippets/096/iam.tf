resource "aws_iam_role_policy" "worker" {
  role = aws_iam_role.worker.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["transcribe:*", "comprehend:DetectSentiment", "sqs:ReceiveMessage"]
      Resource = "*"
    }]
  })
}

resource "aws_sagemaker_notebook_instance" "lab" {
  name          = "lab"
  role_arn      = aws_iam_role.worker.arn
  instance_type = "ml.t3.medium"
}

resource "azurerm_cognitive_account" "eyes" {
  name     = "eyes"
  kind     = "ComputerVision"
  sku_name = "S1"
}

resource "azurerm_cognitive_deployment" "gpt" {
  name                 = "gpt"
  cognitive_account_id = azurerm_cognitive_account.openai.id
}
