"""Whether a policy document is one that IAM takes, in IAM's words; and how IAM shows it.

Source: IAM user guide, "Grammar of the IAM JSON policy language"; messages as AWS sends them.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from scopegate.aws.policy import InvalidPolicy, Policy, parse_policy, parse_trust_policy
from scopegate.base.errors import AwsError

_VERSIONS: Final = ("2008-10-17", "2012-10-17")
_STATEMENT_MEMBERS: Final = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)
_ACTION: Final = re.compile(r"[a-zA-Z0-9-]+:[a-zA-Z0-9*?]+", re.ASCII)
_TRUST_ACTION: Final = re.compile(r"(sts:[A-Za-z*?]+|\*)", re.ASCII)


def malformed(message: str = "Syntax errors in policy.") -> AwsError:
    return AwsError("MalformedPolicyDocument", message)


def render_document(document: str) -> str:
    """IAM answers policy documents escaped as in a URL (RFC 3986)."""
    return quote(document, safe="")


def check_trust_policy(text: str) -> None:
    """Raises AwsError for what cannot be the trust policy of a role."""
    for statement in _statements(text, invalid_json="This policy contains invalid Json"):
        for prohibited in ("Resource", "NotResource"):
            if prohibited in statement:
                raise malformed("Has prohibited field Resource")
        if "Principal" not in statement and "NotPrincipal" not in statement:
            raise malformed("Missing required field Principal")
        actions = _texts(statement.get("Action", statement.get("NotAction")))
        if not actions:
            raise malformed("Missing required field Action")
        if not all(_TRUST_ACTION.fullmatch(action) for action in actions):
            raise malformed("AssumeRole policy may only specify STS AssumeRole actions.")
    _check_understood(text, parse_trust_policy)


def check_identity_policy(text: str) -> None:
    """Raises AwsError for what cannot be an inline or a managed policy."""
    for statement in _statements(text, invalid_json="Syntax errors in policy."):
        if "Principal" in statement or "NotPrincipal" in statement:
            raise malformed("Policy document should not specify a principal.")
        actions = _texts(statement.get("Action", statement.get("NotAction")))
        if not actions:
            raise malformed("Policy statement must contain actions.")
        if not all(action == "*" or _ACTION.fullmatch(action) for action in actions):
            raise malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.")
        if not _texts(statement.get("Resource", statement.get("NotResource"))):
            raise malformed("Policy statement must contain resources.")
    _check_understood(text, parse_policy)


def _check_understood(text: str, parse: Callable[[str], Policy]) -> None:
    """What is stored can be evaluated: an operator or a variable that is unknown would pass over a Deny."""
    try:
        parse(text)
    except InvalidPolicy as error:
        raise malformed(f"Syntax errors in policy: {error}.") from None


def _statements(text: str, *, invalid_json: str) -> list[Mapping[str, Any]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise malformed(invalid_json) from None
    if not isinstance(document, dict) or not document.keys() <= {"Version", "Id", "Statement"}:
        raise malformed()
    if document.get("Version", _VERSIONS[0]) not in _VERSIONS:
        raise malformed()
    statements = document.get("Statement")
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise malformed()
    for statement in statements:
        if not isinstance(statement, dict) or not statement.keys() <= _STATEMENT_MEMBERS:
            raise malformed()
        if "Effect" not in statement:
            raise malformed("Missing required field Effect")
        if statement["Effect"] not in ("Allow", "Deny"):
            raise malformed(f"Invalid effect: {statement['Effect']}")
        if not isinstance(statement.get("Condition", {}), dict):
            raise malformed()
    sids = [statement["Sid"] for statement in statements if statement.get("Sid")]
    if len(sids) != len({str(sid) for sid in sids}):
        raise malformed("Statement IDs (SID) in a single policy must be unique.")
    return statements


def _texts(value: Any) -> list[str]:
    """One text or a list of texts; [] for anything else."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return list(value)
    return []
