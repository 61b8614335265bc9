"""The grants of the token endpoint: what a client that has authenticated is given."""

from collections.abc import Mapping
from typing import Final

from scopegate.userpools.grants import authorization_code, client_credentials, refresh_token
from scopegate.userpools.grants.grant import Grant, Granted, GrantRequest

GRANTS: Final[Mapping[str, Grant]] = {
    "authorization_code": Grant(authorization_code.PARAMETERS, authorization_code.redeem),
    "client_credentials": Grant(client_credentials.PARAMETERS, client_credentials.issue),
    "refresh_token": Grant(refresh_token.PARAMETERS, refresh_token.renew),
}
"""By the wire's word."""

__all__ = ["GRANTS", "Grant", "GrantRequest", "Granted"]
