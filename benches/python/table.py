"""An emulator's DynamoDB (moto): a table `ledger` of as many sent codes as its argument says.

It listens on the port that it prints.
"""

import gc
import sys

from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

table = dynamodb_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].create_table(
    "ledger",
    schema=[{"AttributeName": "code", "KeyType": "HASH"}],
    attr=[{"AttributeName": "code", "AttributeType": "S"}],
    billing_mode="PAY_PER_REQUEST",
    throughput=None,
    global_indexes=None,
    indexes=None,
    streams=None,
    sse_specification=None,
    tags=[],
    deletion_protection_enabled=None,
    warm_throughput=None,
)
for row in range(int(sys.argv[1])):
    table.put_item(
        {
            "code": {"S": f"{row:043}"},
            "firstSeen": {"N": "1790000000000"},
            "sentAt": {"N": "1790000000400"},
            "messageId": {"S": f"{row:036}"},
            "expires": {"N": "1790086400"},
        }
    )
# Or Python would look through all rows again and again.
gc.freeze()
# One request at a time: moto's own server runs them side by side, and then lets two conditional
# writes of a row both succeed.
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app))
print(server.server_port, flush=True)
server.serve_forever()
