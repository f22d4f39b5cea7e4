terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.32" }
  }
}

data "aws_cloudformation_stack" "cognito_sender" {
  name = "cognito-sender"
}

resource "aws_cognito_user_pool" "users" {
  name                     = "users"
  auto_verified_attributes = ["email", "phone_number"]

  lambda_config {
    kms_key_id = data.aws_cloudformation_stack.cognito_sender.outputs["KmsKeyArn"]
    custom_sms_sender {
      lambda_version = "V1_0"
      lambda_arn     = data.aws_cloudformation_stack.cognito_sender.outputs["FunctionArn"]
    }
    custom_email_sender {
      lambda_version = "V1_0"
      lambda_arn     = data.aws_cloudformation_stack.cognito_sender.outputs["FunctionArn"]
    }
  }
}
