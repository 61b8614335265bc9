import json


def handler(event, context):
    caller = event["requestContext"]["authorizer"]
    caller = caller.get("lambda", caller)  # where HTTP APIs have what an authorizer said
    answer = {"orders": [{"id": 1, "item": "coffee"}], "for": caller["sub"], "scope": caller["scope"]}
    return {"statusCode": 200, "body": json.dumps(answer)}
