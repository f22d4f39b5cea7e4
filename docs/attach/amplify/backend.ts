import { defineBackend } from '@aws-amplify/backend';
import { Stack } from 'aws-cdk-lib';
import { auth } from './auth/resource';
import { CognitoSender } from './cognito-sender';

const backend = defineBackend({ auth });
const { userPool } = backend.auth.resources;

// In the stack of the pool: the two name each other.
new CognitoSender(Stack.of(userPool), 'CognitoSender', {
  userPool,
  files: 'amplify',
  emailAddress: 'no-reply@example.com',
  environment: { APP_NAME: 'Acme', SMS_ORIGINATION: '+18005550100' },
});
