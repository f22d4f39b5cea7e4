import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Aws, Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import * as cognito from 'aws-cdk-lib/aws-cognito';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';

export interface CognitoSenderProps {
  /** The pool that sends through the function from now on. Its other triggers stay. */
  readonly userPool: cognito.IUserPool;
  /** A folder with `bootstrap.zip` from cargo-lambda, and `policy.json`. */
  readonly files: string;
  /** The bare address that e-mail comes from: no-reply@example.com. */
  readonly emailAddress: string;
  /** More of the function's variables: README, "Settings". */
  readonly environment?: Record<string, string>;
}

/** cognito-sender, and a pool attached to it. */
export class CognitoSender extends Construct {
  constructor(scope: Construct, id: string, props: CognitoSenderProps) {
    super(scope, id);
    const stack = Stack.of(this);

    // Cognito seals under a grant that it makes when the key is attached to a pool.
    const key = new kms.Key(this, 'Key', { enableKeyRotation: true, pendingWindow: Duration.days(30) });
    key.addToResourcePolicy(new iam.PolicyStatement({
      sid: 'CognitoMakesItsGrant',
      principals: [new iam.ServicePrincipal('cognito-idp.amazonaws.com')],
      actions: ['kms:CreateGrant'],
      resources: ['*'],
      conditions: {
        StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID },
        ArnLike: { 'aws:SourceArn': stack.formatArn({ service: 'cognito-idp', resource: 'userpool', resourceName: '*' }) },
      },
    }));

    const ledger = new dynamodb.Table(this, 'Ledger', {
      partitionKey: { name: 'code', type: dynamodb.AttributeType.STRING },
      timeToLiveAttribute: 'expires',
      billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const failures = new sqs.Queue(this, 'Failures', { retentionPeriod: Duration.days(4) });
    const logGroup = new logs.LogGroup(this, 'Log', { retention: logs.RetentionDays.ONE_MONTH });

    const role = new iam.Role(this, 'Role', { assumedBy: new iam.ServicePrincipal('lambda.amazonaws.com') });
    const sender = new lambda.Function(this, 'Function', {
      runtime: lambda.Runtime.PROVIDED_AL2023,
      architecture: lambda.Architecture.ARM_64,
      handler: 'bootstrap',
      code: lambda.Code.fromAsset(join(props.files, 'bootstrap.zip')),
      memorySize: 256,
      timeout: Duration.seconds(30),
      role: role.withoutPolicyUpdates(), // policy.json says it all
      logGroup,
      loggingFormat: lambda.LoggingFormat.JSON,
      environment: {
        KMS_KEY_ARN: key.keyArn,
        LEDGER_TABLE: ledger.tableName,
        EMAIL_FROM: props.emailAddress,
        ...props.environment,
      },
    });

    // The policy names the pool, and the pool the function: so it is attached afterwards.
    const names: Record<string, string> = {
      partition: Aws.PARTITION,
      region: Aws.REGION,
      account: Aws.ACCOUNT_ID,
      log_group: logGroup.logGroupName,
      queue: failures.queueName,
      key: key.keyArn,
      pool: props.userPool.userPoolId,
      email_address: props.emailAddress,
      table: ledger.tableName,
    };
    const document = readFileSync(join(props.files, 'policy.json'), 'utf8').replace(/\$\{(\w+)\}/g, (_, name) => names[name]);
    const policy = new iam.Policy(this, 'Policy', {
      document: iam.PolicyDocument.fromJson(JSON.parse(document)),
      roles: [role],
    });

    // Lambda takes a failure queue only from a role that may write there already.
    new lambda.EventInvokeConfig(this, 'Tries', {
      function: sender,
      retryAttempts: 2,
      maxEventAge: Duration.minutes(15),
      onFailure: new SqsDestination(failures),
    }).node.addDependency(policy);

    sender.addPermission('Cognito', {
      principal: new iam.ServicePrincipal('cognito-idp.amazonaws.com'),
      sourceArn: props.userPool.userPoolArn,
      sourceAccount: Aws.ACCOUNT_ID,
    });
    const trigger = { LambdaVersion: 'V1_0', LambdaArn: sender.functionArn };
    const pool = props.userPool.node.defaultChild as cognito.CfnUserPool;
    pool.addPropertyOverride('LambdaConfig.KMSKeyID', key.keyArn);
    pool.addPropertyOverride('LambdaConfig.CustomSMSSender', trigger);
    pool.addPropertyOverride('LambdaConfig.CustomEmailSender', trigger);
  }
}
