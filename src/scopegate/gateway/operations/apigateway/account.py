"""The account's settings in a region: GetAccount, UpdateAccount.

The CloudWatch role is stored and believed, not tried. Source: reference, control plane, sections 1.4, 2.2, 5.5.
"""

import re
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base import names
from scopegate.gateway import queries
from scopegate.gateway.operations.apigateway.patch import Draft, Patch, PatchTable, Rule, apply_patches
from scopegate.gateway.operations.apigateway.refusals import bad_request
from scopegate.ports import Call
from scopegate.store.documents import Document

_ROLE: Final = re.compile(r"role/\S+")
_USAGE_PLANS: Final = "UsagePlans"


def get_account(call: Call, request: Shape) -> Shape:
    """GetAccount."""
    return _account(call)


def update_account(call: Call, request: Shape) -> Shape:
    """UpdateAccount."""
    account = apply_patches(_PATCHES, call, "", _account(call), request)
    queries.put_account_part(call.tx, call.account, call.region, "account", "", account)
    return account


def _account(call: Call) -> Document:
    return queries.find_account_part(call.tx, call.account, call.region, "account", "") or {
        "throttleSettings": {"burstLimit": 5000, "rateLimit": 10000.0},
        "features": [_USAGE_PLANS],
        "apiKeyVersion": "4",
    }


def _set_role(draft: Draft, patch: Patch) -> None:
    if not patch.value:
        draft.document.pop("cloudwatchRoleArn", None)
        return
    arn = names.find_arn(patch.value)
    if arn is None or arn.service != "iam" or _ROLE.fullmatch(arn.resource) is None:
        raise bad_request(
            "The role ARN does not have required permissions configured. "
            "Please grant trust permission for API Gateway and add the required role policy."
        )
    draft.document["cloudwatchRoleArn"] = patch.value


def _add_feature(_: Draft, patch: Patch) -> None:
    if patch.value != _USAGE_PLANS:
        raise bad_request(f"Invalid feature specified. Valid options are {_USAGE_PLANS}")


def _remove_feature(_: Draft, patch: Patch) -> None:
    if patch.value == _USAGE_PLANS:
        raise bad_request("Usage Plans cannot be disabled once enabled")


_PATCHES: Final = PatchTable(
    "listed",
    (
        Rule("/cloudwatchRoleArn", {"replace": _set_role}),
        Rule("/features", {"add": _add_feature, "remove": _remove_feature}),
    ),
)
