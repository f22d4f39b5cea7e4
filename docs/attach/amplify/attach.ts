import { defineBackend } from '@aws-amplify/backend';
import { auth } from './auth/resource';

// The outputs FunctionArn and KmsKeyArn of the stack cognito-sender.
const trigger = {
  LambdaVersion: 'V1_0',
  LambdaArn: 'arn:aws:lambda:us-east-1:111122223333:function:cognito-sender',
};
const key = 'arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab';

const { cfnUserPool } = defineBackend({ auth }).auth.resources.cfnResources;
cfnUserPool.addPropertyOverride('LambdaConfig.KMSKeyID', key);
cfnUserPool.addPropertyOverride('LambdaConfig.CustomSMSSender', trigger);
cfnUserPool.addPropertyOverride('LambdaConfig.CustomEmailSender', trigger);
