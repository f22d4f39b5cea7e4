"""What a team would write in Python: as the Node handler beside it, and no more."""

import base64
import http.client
import json
import os

import aws_encryption_sdk
import boto3
from aws_encryption_sdk.identifiers import CommitmentPolicy

client = aws_encryption_sdk.EncryptionSDKClient(
    commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT
)
keys = aws_encryption_sdk.StrictAwsKmsMasterKeyProvider(key_ids=[os.environ["KMS_KEY_ARN"]])
sns = boto3.client("sns")


def handler(event):
    sealed = base64.b64decode(event["request"]["code"])
    code, header = client.decrypt(source=sealed, key_provider=keys)
    if header.encryption_context["userpool-id"] != event["userPoolId"]:
        raise ValueError("sealed for another user pool")
    sent = sns.publish(
        PhoneNumber=event["request"]["userAttributes"]["phone_number"],
        Message=f"Acme: {code.decode()} is your code to confirm your account.",
    )
    return {"messageId": sent["MessageId"]}


# Lambda's own Python runtime does more than this loop, so what is measured flatters Python.
runtime = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])


def call(method, path, body=None):
    runtime.request(method, f"/2018-06-01/runtime/{path}", body)
    answer = runtime.getresponse()
    return answer.headers, answer.read()


while True:
    headers, event = call("GET", "invocation/next")
    request_id = headers["lambda-runtime-aws-request-id"]
    try:
        answer = handler(json.loads(event))
        call("POST", f"invocation/{request_id}/response", json.dumps(answer))
    except Exception as error:  # whatever it is, Lambda is told
        told = {"errorType": type(error).__name__, "errorMessage": str(error)}
        call("POST", f"invocation/{request_id}/error", json.dumps(told))
