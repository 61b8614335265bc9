"""The orders function: answers with what the gateway knows of the caller."""

import json


def handler(event, context):
    claims = event["requestContext"]["authorizer"]["claims"]
    if event["httpMethod"] == "POST":
        order = json.loads(event["body"] or "{}")
        return answer(201, {"created": order, "by": claims["client_id"]})
    return answer(200, {"orders": [{"id": 1, "item": "coffee"}], "for": claims["client_id"], "scope": claims["scope"]})


def answer(status, document):
    return {
        "statusCode": status,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(document),
    }
