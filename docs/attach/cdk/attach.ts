import { App, Stack } from 'aws-cdk-lib';
import * as cognito from 'aws-cdk-lib/aws-cognito';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';

const stack = new Stack(new App(), 'Auth');

// The outputs FunctionArn and KmsKeyArn of the stack cognito-sender.
const sender = lambda.Function.fromFunctionArn(stack, 'Sender', 'arn:aws:lambda:us-east-1:111122223333:function:cognito-sender');
const key = kms.Key.fromKeyArn(stack, 'SenderKey', 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab');

new cognito.UserPool(stack, 'UserPool', {
  autoVerify: { email: true, phone: true },
  enableSmsRole: true, // Cognito wants a role for SMS even where the function sends them all
  customSenderKmsKey: key,
  lambdaTriggers: { customSmsSender: sender, customEmailSender: sender },
});
