"""`cfnresponse`: sends the answer of a custom resource. Names and order of its arguments are AWS's.

It runs under the function's own Python, so what 3.6 cannot evaluate is quoted.
"""

import json
import urllib.request
from typing import Any

SUCCESS = "SUCCESS"
FAILED = "FAILED"


def send(
    event: "dict[str, Any]",
    context: Any,
    responseStatus: str,  # noqa: N803
    responseData: "dict[str, Any] | None",  # noqa: N803
    physicalResourceId: "str | None" = None,  # noqa: N803
    noEcho: bool = False,  # noqa: N803
    reason: "str | None" = None,
) -> None:
    """A failure to send is printed, never raised."""
    body = json.dumps(
        {
            "Status": responseStatus,
            "Reason": reason or f"See the details in CloudWatch Log Stream: {context.log_stream_name}",
            "PhysicalResourceId": physicalResourceId or context.log_stream_name,
            "StackId": event["StackId"],
            "RequestId": event["RequestId"],
            "LogicalResourceId": event["LogicalResourceId"],
            "NoEcho": noEcho,
            "Data": responseData,
        }
    )
    print("Response body:")  # noqa: T201
    print(body)  # noqa: T201
    request = urllib.request.Request(event["ResponseURL"], body.encode(), {"Content-Type": ""}, method="PUT")  # noqa: S310
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310
            print("Status code:", response.status)  # noqa: T201
    except Exception as error:
        print("send(..) failed executing http.request(..):", error)  # noqa: T201
