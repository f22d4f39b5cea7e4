// The statements of policy.json, beside this file, about what serverless.yml makes.
module.exports = async ({ resolveVariable }) => {
  const names = {
    partition: '${AWS::Partition}',
    region: '${AWS::Region}',
    account: '${AWS::AccountId}',
    log_group: '${Log}',
    queue: '${Failures.QueueName}',
    key: '${Key.Arn}',
    pool: '${UserPool}',
    email_address: await resolveVariable('self:custom.emailAddress'),
    table: '${Ledger}',
  };
  return JSON.parse(JSON.stringify(require('./policy.json')), (_, value) => {
    if (typeof value !== 'string') return value;
    const text = value.replace(/\$\{(\w+)\}/g, (_, name) => names[name]);
    return text.includes('${') ? { 'Fn::Sub': text } : text;
  });
};
