"""How functions of this stack answer."""

import json


def ok(document):
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(document)}
