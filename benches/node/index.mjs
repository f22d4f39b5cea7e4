// What a team would write in Node, after the example of AWS's guide ("Custom SMS sender Lambda
// trigger"): no sandbox, no routing, no texts, no retries beyond the SDK's, no ledger.

import { buildClient, CommitmentPolicy, KmsKeyringNode } from '@aws-crypto/client-node';
import { PublishCommand, SNSClient } from '@aws-sdk/client-sns';
import http from 'node:http';

const { decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT);
const keyring = new KmsKeyringNode({ keyIds: [process.env.KMS_KEY_ARN] });
const sns = new SNSClient({});

async function handler(event) {
  const sealed = Buffer.from(event.request.code, 'base64');
  const { plaintext, messageHeader } = await decrypt(keyring, sealed);
  if (messageHeader.encryptionContext['userpool-id'] !== event.userPoolId) {
    throw new Error('sealed for another user pool');
  }
  const sent = await sns.send(new PublishCommand({
    PhoneNumber: event.request.userAttributes.phone_number,
    Message: `Acme: ${plaintext} is your code to confirm your account.`,
  }));
  return { messageId: sent.MessageId };
}

// Lambda's own Node runtime does more than this loop, so what is measured flatters Node.
const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body = '') {
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': Buffer.byteLength(body) };
    const options = { host, port, agent, method, headers, path: `/2018-06-01/runtime/${path}` };
    const request = http.request(options, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        resolve({ headers: response.headers, body: Buffer.concat(chunks).toString() });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function run() {
  for (;;) {
    const next = await call('GET', 'invocation/next');
    const id = next.headers['lambda-runtime-aws-request-id'];
    try {
      const answer = await handler(JSON.parse(next.body));
      await call('POST', `invocation/${id}/response`, JSON.stringify(answer));
    } catch (error) {
      const told = { errorType: error.name, errorMessage: error.message };
      await call('POST', `invocation/${id}/error`, JSON.stringify(told));
    }
  }
}

run();
