import { App, Stack } from 'aws-cdk-lib';
import * as cognito from 'aws-cdk-lib/aws-cognito';
import { CognitoSender } from './cognito-sender';

const stack = new Stack(new App(), 'Auth');
const userPool = new cognito.UserPool(stack, 'UserPool', {
  autoVerify: { email: true, phone: true },
  enableSmsRole: true, // Cognito wants a role for SMS even where the function sends them all
});

new CognitoSender(stack, 'CognitoSender', {
  userPool,
  files: '.',
  emailAddress: 'no-reply@example.com',
  environment: { APP_NAME: 'Acme', SMS_ORIGINATION: '+18005550100' },
});
