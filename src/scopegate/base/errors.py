"""The three families of refusals, one per wire.

Raise where the fact is known; each family is rendered in one place: `userpools/oauth` (OAuthError),
`aws/protocols.py` (AwsError), `gateway/responses.py` (GatewayRefusal).
What a client may read (`code`, `description`, `message`) is apart from what only the log may hold (`log`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class OAuthError(Exception):
    """A refusal of an OAuth 2.0 endpoint: `{"error": code}`.

    Source: RFC 6749 section 5.2; Cognito's codes and statuses are in the reference, POST /oauth2/token, errors.
    """

    def __init__(self, code: str, description: str | None = None, *, status: int = 400, log: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.description = description
        self.status = status
        self.log = log


class AwsError(Exception):
    """A refusal of an AWS operation, named as AWS names it.

    status: None takes the status from the service model, else 400.
    members: what this error's shape has beside the message.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        status: int | None = None,
        members: Mapping[str, Any] = _NOTHING,
        log: str = "",
    ) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.status = status
        self.members = members
        self.log = log


class GatewayRefusal(Exception):
    """A call that the gateway answers itself, by gateway response type.

    response_type: API Gateway's word (`UNAUTHORIZED`, `MISSING_AUTHENTICATION_TOKEN`, …); HTTP APIs use the same
    words inside and never show them.
    message: the client's text; None renders as JSON null.
    status: None takes the type's own status.
    error_type: `x-amzn-ErrorType` of REST APIs; None takes the type's own.
    www_authenticate: the challenge of an HTTP API's JWT refusal.
    reason: why, for the decision record and `explain`; never shown to a remote client.
    """

    def __init__(
        self,
        response_type: str,
        message: str | None = None,
        *,
        status: int | None = None,
        error_type: str | None = None,
        www_authenticate: str | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(response_type)
        self.response_type = response_type
        self.message = message
        self.status = status
        self.error_type = error_type
        self.www_authenticate = www_authenticate
        self.reason = reason


class SetupError(Exception):
    """What an operator has to mend: what is wrong, where, and the next step, in one sentence each."""
