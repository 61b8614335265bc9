"""What a page says when a sign-in, a sign-up or a code is refused: AWS's refusal → a field and words in the language.

What is not known here is said as AWS says it: such texts are the pool's own functions', or about a value that was sent.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from scopegate.base.errors import AwsError
from scopegate.userpools.pages.render import Values
from scopegate.userpools.pages.words import say

# (code, beginning of the message) → (field, key of the words); the first that fits.
_WORDS: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("NotAuthorizedException", "Incorrect username or password", "", "error.incorrect"),
    ("NotAuthorizedException", "User is disabled", "", "error.disabled"),
    ("NotAuthorizedException", "Password attempts exceeded", "", "error.attempts"),
    ("NotAuthorizedException", "Invalid session", "", "error.session"),
    ("NotAuthorizedException", "Temporary password has expired", "", "error.temporaryExpired"),
    ("NotAuthorizedException", "User cannot be confirmed", "", "confirmed.notice"),
    ("NotAuthorizedException", "User password cannot be reset", "", "error.noRecovery"),
    ("UserNotFoundException", "", "", "error.unknownUser"),
    ("PasswordResetRequiredException", "", "", "error.resetRequired"),
    ("CodeMismatchException", "", "code", "error.codeMismatch"),
    ("EnableSoftwareTokenMFAException", "", "code", "error.codeMismatch"),
    ("ExpiredCodeException", "", "code", "error.codeExpired"),
    ("InvalidPasswordException", "", "password", "password.refused"),
    ("PasswordHistoryPolicyViolationException", "", "password", "password.history"),
    ("UsernameExistsException", "An account with the", "username", "error.aliasExists"),
    ("UsernameExistsException", "", "username", "error.exists"),
    ("AliasExistsException", "", "", "error.aliasExists"),
    ("LimitExceededException", "", "", "error.limit"),
    ("TooManyRequestsException", "", "", "error.attempts"),
    ("TooManyFailedAttemptsException", "", "", "error.attempts"),
    ("CodeDeliveryFailureException", "", "", "error.unexpected"),
    ("InvalidParameterException", "Cannot reset password", "", "error.noRecovery"),
    ("InvalidParameterException", "Cannot resend codes", "", "confirm.byOperator"),
    ("InvalidParameterException", "User is already confirmed", "", "confirmed.notice"),
    ("InvalidParameterException", "Username should be an email", "username", "error.email"),
    ("InvalidParameterException", "Username should be a phone", "username", "error.phone"),
    ("InvalidParameterException", "Username should be either", "username", "error.emailOrPhone"),
    ("InvalidParameterException", "Username", "username", "error.value"),
    ("InvalidParameterException", "Invalid email address", "email", "error.email"),
    ("InvalidParameterException", "Invalid phone number", "phone_number", "error.phone"),
)
_SCHEMA: Final = "Attributes did not conform to the schema: "


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong. general: above the form, "" when a field says it. refusal: AWS's own text about a password."""

    general: str = ""
    fields: Values = field(default_factory=Values)
    refusal: str = ""

    def beside(self, shown: Iterable[str]) -> str:
        """What stands above a form that has these fields: what none of them says."""
        if self.general:
            return self.general
        return next((words for name, words in self.fields.items() if name not in shown), "")

    @classmethod
    def of(cls, error: AwsError, language: str) -> "Fault":
        message = error.message or ""
        if error.code == "InvalidParameterException" and message.startswith(_SCHEMA):
            name, _, why = message.removeprefix(_SCHEMA).partition(": ")
            key = "error.required" if "required" in why else "error.value"
            return cls(fields=Values({name: say(language, key)}))
        for code, beginning, name, key in _WORDS:
            if error.code == code and message.startswith(beginning):
                words = say(language, key)
                if name:
                    return cls(fields=Values({name: words}), refusal=message if name == "password" else "")
                return cls(words)
        return cls(message or say(language, "error.unexpected"))
