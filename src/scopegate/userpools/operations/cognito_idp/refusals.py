"""What Cognito says when it refuses: every text once, so that a correction is one line.

Source: reference, "Error texts", "Validation" of app clients, "Conflicts and open points" 15. A text that the
reference marks as uncertain, or does not have, is the clearest sentence that fits.
"""

from scopegate.base.errors import AwsError


def invalid(text: str) -> AwsError:
    return AwsError("InvalidParameterException", text)


def not_found(text: str) -> AwsError:
    return AwsError("ResourceNotFoundException", text)


def limit_exceeded(text: str) -> AwsError:
    return AwsError("LimitExceededException", text)


def invalid_flow(text: str) -> AwsError:
    return AwsError("InvalidOAuthFlowException", text)


# Pools


def unknown_pool(pool_id: str) -> AwsError:
    return not_found(f"User pool {pool_id} does not exist.")


def pool_is_protected() -> AwsError:
    return invalid(
        "The user pool cannot be deleted because deletion protection is activated. "
        "Deletion protection must be inactivated first."
    )


def pool_has_domain() -> AwsError:
    return invalid("User pool cannot be deleted. It has a domain configured that should be deleted first.")


def too_many_pools() -> AwsError:
    return limit_exceeded("Exceeded the limit of user pools for this account.")


def bad_next_token() -> AwsError:
    return invalid("Invalid NextToken.")


# Domains


def domain_taken() -> AwsError:
    return invalid("Domain already associated with another user pool.")


def domain_unknown() -> AwsError:
    return invalid("No such domain or user pool exists.")


# App clients


def unknown_client(client_id: str) -> AwsError:
    return not_found(f"User pool client {client_id} does not exist.")


def unknown_scope(scope: str) -> AwsError:
    return AwsError("ScopeDoesNotExistException", f"Invalid scope requested: {scope}")


def too_many_clients() -> AwsError:
    return limit_exceeded("Exceeded the limit of clients for this user pool.")


# Resource servers


def unknown_resource_server(identifier: str) -> AwsError:
    return not_found(f"Resource server {identifier} does not exist.")


def too_many_resource_servers() -> AwsError:
    return limit_exceeded("Exceeded the limit of resource servers for this user pool.")
