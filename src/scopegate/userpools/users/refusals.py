"""What Cognito says to people when it refuses: every text once, so that a correction is one line.

Pages and operations say the same. Source: reference, "Error texts"; what it marks as uncertain stands as it is there.
"""

from scopegate.base.errors import AwsError


def invalid(text: str, *, log: str = "") -> AwsError:
    return AwsError("InvalidParameterException", text, log=log)


def not_authorized(text: str, *, log: str = "") -> AwsError:
    return AwsError("NotAuthorizedException", text, log=log)


# Users


def unknown_user() -> AwsError:
    return AwsError("UserNotFoundException", "User does not exist.")


def unknown_combination() -> AwsError:
    return AwsError("UserNotFoundException", "Username/client id combination not found.")


def user_exists(text: str = "User already exists") -> AwsError:
    return AwsError("UsernameExistsException", text)


def alias_taken(attribute: str) -> AwsError:
    return AwsError("AliasExistsException", f"An account with the {attribute} already exists.")


def not_confirmed() -> AwsError:
    return AwsError("UserNotConfirmedException", "User is not confirmed.")


def reset_required() -> AwsError:
    return AwsError("PasswordResetRequiredException", "Password reset required for the user")


# Signing in


def wrong_password(*, log: str = "") -> AwsError:
    return not_authorized("Incorrect username or password.", log=log)


def disabled() -> AwsError:
    return not_authorized("User is disabled.")


def locked() -> AwsError:
    return not_authorized("Password attempts exceeded")


def wrong_code() -> AwsError:
    return AwsError("CodeMismatchException", "Invalid verification code provided, please try again.")


def expired_code() -> AwsError:
    return AwsError("ExpiredCodeException", "Invalid code provided, please request a code again.")


def attempt_limit() -> AwsError:
    return AwsError("LimitExceededException", "Attempt limit exceeded, please try after some time.")


def invalid_session(why: str = ".") -> AwsError:
    """why: what follows "Invalid session for the user": ".", ", session can only be used once.", …"""
    return not_authorized(f"Invalid session for the user{why}")
