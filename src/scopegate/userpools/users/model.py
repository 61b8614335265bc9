"""Users as the store has them: frozen, found anew for each request, never held in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

UNCONFIRMED: Final = "UNCONFIRMED"
CONFIRMED: Final = "CONFIRMED"
RESET_REQUIRED: Final = "RESET_REQUIRED"
FORCE_CHANGE_PASSWORD: Final = "FORCE_CHANGE_PASSWORD"  # noqa: S105 - a status

SOFTWARE_TOKEN_MFA: Final = "SOFTWARE_TOKEN_MFA"  # noqa: S105 - a kind of factor
EMAIL_OTP: Final = "EMAIL_OTP"
SMS_MFA: Final = "SMS_MFA"
SMS_OTP: Final = "SMS_OTP"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What of a user lies sealed. srp_verifier: g^x mod N, big-endian. totp: base32, None without an authenticator app.

    pending_totp: one that AssociateSoftwareToken gave and VerifySoftwareToken has not proved yet.
    """

    srp_salt: str = ""  # hexadecimal
    srp_verifier: bytes = b""
    totp: str | None = None
    pending_totp: str | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A user of a pool (AWS: UserType and what no answer shows).

    name_key: `username` as it is compared. attributes: by name, in the order of the pool's schema, `sub` first.
    password: argon2id in PHC form, None for a user who has none. password_set_at: epoch seconds.
    password_history: argon2id of earlier passwords, newest first.
    mfa: factors that are on; preferred_mfa: that of them which is asked for, "" when none is preferred.
    totp_name: of the authenticator app. totp_step: the last time step whose code was taken; no code counts twice.
    pending: addresses that take the place of those that stand when they are verified.
    failures, locked_until: wrong passwords in a row, and till when none is looked at.
    """

    pool_id: str
    name_key: str
    username: str
    sub: str
    status: str
    enabled: bool
    created_at: float
    modified_at: float
    attributes: Mapping[str, str]
    password: str | None = field(default=None, repr=False)
    password_set_at: float = 0.0
    password_history: tuple[str, ...] = field(default=(), repr=False)
    secrets: Secrets = field(default_factory=Secrets, repr=False)
    mfa: tuple[str, ...] = ()
    preferred_mfa: str = ""
    totp_name: str = ""
    totp_step: int = 0
    pending: Mapping[str, str] = field(default_factory=dict)
    failures: int = 0
    locked_until: float = 0.0

    def is_verified(self, attribute: str) -> bool:
        """Whether `email` or `phone_number` is known to be the user's."""
        return self.attributes.get(f"{attribute}_verified") == "true"


@dataclass(frozen=True, slots=True)
class Membership:
    """One group that a user is in, with what its tokens say of it (AWS: GroupType)."""

    group_name: str
    precedence: int | None
    role_arn: str | None


def name_key_of(username: str, pool_document: Mapping[str, Any]) -> str:
    """A user name, or an alias, as this pool compares it."""
    is_case_sensitive = (pool_document.get("UsernameConfiguration") or {}).get("CaseSensitive", True)
    return username if is_case_sensitive else username.casefold()
