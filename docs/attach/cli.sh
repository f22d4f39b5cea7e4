#!/bin/sh
# Deploys bootstrap.zip as the function cognito-sender, for one user pool. It creates everything
# anew, and attaches nothing yet.
#
#   sh cli.sh us-east-1_AbCdEfGhI
set -eu
pool=${1:?which user pool?}
name=cognito-sender
email_address=no-reply@example.com
environment='"APP_NAME":"Acme","SMS_ORIGINATION":"+18005550100"' # README, "Settings"

export AWS_REGION="${pool%_*}" AWS_DEFAULT_REGION="${pool%_*}"
account=$(aws sts get-caller-identity --query Account --output text)
partition=$(aws sts get-caller-identity --query Arn --output text | cut -d: -f2)
pools=arn:$partition:cognito-idp:$AWS_REGION:$account:userpool

# Cognito seals under a grant that it makes when the key is attached to a pool.
key=$(aws kms create-key --description "Seals the codes that Cognito hands to $name" \
  --query KeyMetadata.Arn --output text --policy '{"Version": "2012-10-17", "Statement": [
    {"Sid": "IamDecides", "Effect": "Allow", "Action": "kms:*", "Resource": "*",
      "Principal": {"AWS": "arn:'"$partition:iam::$account"':root"}},
    {"Sid": "CognitoMakesItsGrant", "Effect": "Allow", "Action": "kms:CreateGrant", "Resource": "*",
      "Principal": {"Service": "cognito-idp.amazonaws.com"},
      "Condition": {"StringEquals": {"aws:SourceAccount": "'"$account"'"},
        "ArnLike": {"aws:SourceArn": "'"$pools"'/*"}}}]}')
aws kms enable-key-rotation --key-id "$key"

aws dynamodb create-table --table-name $name --billing-mode PAY_PER_REQUEST \
  --attribute-definitions AttributeName=code,AttributeType=S \
  --key-schema AttributeName=code,KeyType=HASH >/dev/null
aws dynamodb wait table-exists --table-name $name
aws dynamodb update-time-to-live --table-name $name \
  --time-to-live-specification Enabled=true,AttributeName=expires >/dev/null
aws sqs create-queue --queue-name $name-failures \
  --attributes MessageRetentionPeriod=345600,SqsManagedSseEnabled=true >/dev/null
aws logs create-log-group --log-group-name /aws/lambda/$name
aws logs put-retention-policy --log-group-name /aws/lambda/$name --retention-in-days 30

role=$(aws iam create-role --role-name $name --query Role.Arn --output text \
  --assume-role-policy-document '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
    "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}')
aws iam put-role-policy --role-name $name --policy-name $name --policy-document "$(sed \
  -e "s|\${partition}|$partition|; s|\${region}|$AWS_REGION|; s|\${account}|$account|" \
  -e "s|\${log_group}|/aws/lambda/$name|; s|\${queue}|$name-failures|; s|\${table}|$name|" \
  -e "s|\${key}|$key|; s|\${pool}|$pool|; s|\${email_address}|$email_address|" policy.json)"
sleep "${ROLE_SECONDS:-15}" # until Lambda knows the role

aws lambda create-function --function-name $name --role "$role" --zip-file fileb://bootstrap.zip \
  --runtime provided.al2023 --architectures arm64 --handler bootstrap --memory-size 256 --timeout 30 \
  --logging-config LogFormat=JSON,LogGroup=/aws/lambda/$name \
  --environment '{"Variables": {"KMS_KEY_ARN": "'"$key"'", "LEDGER_TABLE": "'$name'",
    "EMAIL_FROM": "'$email_address'", '"$environment"'}}' >/dev/null
aws lambda wait function-active-v2 --function-name $name
aws lambda put-function-event-invoke-config --function-name $name \
  --maximum-retry-attempts 2 --maximum-event-age-in-seconds 900 --destination-config \
  "OnFailure={Destination=arn:$partition:sqs:$AWS_REGION:$account:$name-failures}" >/dev/null
aws lambda add-permission --function-name $name --statement-id cognito \
  --action lambda:InvokeFunction --principal cognito-idp.amazonaws.com \
  --source-account "$account" --source-arn "$pools/$pool" >/dev/null

echo "Now: cognito-sender attach --user-pool $pool --function $name"
