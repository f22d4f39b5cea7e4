terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.32" }
  }
}

variable "email_address" {
  description = "The bare address that e-mail comes from, of an identity verified with SES."
  default     = "no-reply@example.com"
}

variable "environment" {
  description = "More of the function's variables: README, Settings."
  default     = { APP_NAME = "Acme", SMS_ORIGINATION = "+18005550100" }
}

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.name
}

resource "aws_kms_key" "codes" {
  description             = "Seals the codes that Cognito hands to cognito-sender"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "IamDecides"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      { # Cognito seals under a grant that it makes when the key is attached to a pool.
        Sid       = "CognitoMakesItsGrant"
        Effect    = "Allow"
        Principal = { Service = "cognito-idp.amazonaws.com" }
        Action    = "kms:CreateGrant"
        Resource  = "*"
        Condition = {
          StringEquals = { "aws:SourceAccount" = local.account }
          ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:cognito-idp:${local.region}:${local.account}:userpool/*" }
        }
      },
    ]
  })
}

resource "aws_dynamodb_table" "ledger" {
  name         = "cognito-sender"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "code"
  attribute {
    name = "code"
    type = "S"
  }
  ttl {
    attribute_name = "expires"
    enabled        = true
  }
}

resource "aws_sqs_queue" "failures" {
  name                      = "cognito-sender-failures"
  sqs_managed_sse_enabled   = true
  message_retention_seconds = 345600
}

resource "aws_cloudwatch_log_group" "sender" {
  name              = "/aws/lambda/cognito-sender"
  retention_in_days = 30
}

resource "aws_iam_role" "sender" {
  name_prefix = "cognito-sender-"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_lambda_function" "sender" {
  function_name    = "cognito-sender"
  filename         = "${path.module}/bootstrap.zip"
  source_code_hash = filebase64sha256("${path.module}/bootstrap.zip")
  handler          = "bootstrap"
  runtime          = "provided.al2023"
  architectures    = ["arm64"]
  memory_size      = 256
  timeout          = 30
  role             = aws_iam_role.sender.arn
  logging_config {
    log_format = "JSON"
    log_group  = aws_cloudwatch_log_group.sender.name
  }
  environment {
    variables = merge({
      KMS_KEY_ARN  = aws_kms_key.codes.arn
      LEDGER_TABLE = aws_dynamodb_table.ledger.name
      EMAIL_FROM   = var.email_address
    }, var.environment)
  }
}

# The policy names the pool, and the pool the function: so it is attached afterwards.
resource "aws_iam_role_policy" "sender" {
  name = "cognito-sender"
  role = aws_iam_role.sender.id
  policy = templatefile("${path.module}/policy.json", {
    partition     = local.partition
    region        = local.region
    account       = local.account
    log_group     = aws_cloudwatch_log_group.sender.name
    queue         = aws_sqs_queue.failures.name
    key           = aws_kms_key.codes.arn
    pool          = aws_cognito_user_pool.users.id
    email_address = var.email_address
    table         = aws_dynamodb_table.ledger.name
  })
}

resource "aws_lambda_function_event_invoke_config" "sender" {
  function_name                = aws_lambda_function.sender.function_name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 900
  destination_config {
    on_failure {
      destination = aws_sqs_queue.failures.arn
    }
  }
  # Lambda takes a failure queue only from a role that may write there already.
  depends_on = [aws_iam_role_policy.sender]
}

resource "aws_lambda_permission" "cognito" {
  function_name  = aws_lambda_function.sender.function_name
  action         = "lambda:InvokeFunction"
  principal      = "cognito-idp.amazonaws.com"
  source_account = local.account
  source_arn     = aws_cognito_user_pool.users.arn
}

resource "aws_cognito_user_pool" "users" {
  name                     = "users"
  auto_verified_attributes = ["email", "phone_number"]

  lambda_config {
    kms_key_id = aws_kms_key.codes.arn
    custom_sms_sender {
      lambda_version = "V1_0"
      lambda_arn     = aws_lambda_function.sender.arn
    }
    custom_email_sender {
      lambda_version = "V1_0"
      lambda_arn     = aws_lambda_function.sender.arn
    }
  }

  # Cognito wants a role for SMS even where the function sends them all.
  sms_configuration {
    sns_caller_arn = aws_iam_role.sms.arn
    external_id    = "cognito-sender"
  }
}

resource "aws_iam_role" "sms" {
  name_prefix = "cognito-sms-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "cognito-idp.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "sts:ExternalId" = "cognito-sender", "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "sms" {
  name = "send"
  role = aws_iam_role.sms.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sns:Publish", NotResource = "arn:${local.partition}:sns:*:*:*" }]
  })
}
