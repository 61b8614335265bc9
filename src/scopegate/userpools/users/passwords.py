"""Users' passwords: how they are hashed, what a pool demands of them, how a temporary one is made.

Hashes are argon2id (RFC 9106) with cost from the settings. They are worked in a few threads of their own behind a short
queue, so that a flood of sign-ins waits for itself and not the tokens of machines, which have the other cores. When a
password is set and where its hash is kept is decided by the operations.
Source: reference, "Members of CreateUserPool" (PasswordPolicy) and "Error texts".
"""

import asyncio
import base64
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import nacl.exceptions
from nacl.pwhash import argon2id

import scopegate.ports
from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.base.settings import Settings

T = TypeVar("T")

SYMBOLS: Final = "^$*.[]{}()?-\"!@#%&/\\,><':;|_~`+="
"""The characters that Cognito takes for symbols, beside a space that stands inside."""

_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
_TEMPORARY_SYMBOLS: Final = "^$*.[]{}()?-!@#%/,:;|_~+="  # none that HTML of a message would need to escape
_TEMPORARY_CHARACTERS: Final = 10
_UPPERCASE: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWERCASE: Final = "abcdefghijklmnopqrstuvwxyz"
_NUMBERS: Final = "0123456789"
_CLASSES: Final[tuple[tuple[str, str, str], ...]] = (
    ("RequireUppercase", _UPPERCASE, "Password must have uppercase characters"),
    ("RequireLowercase", _LOWERCASE, "Password must have lowercase characters"),
    ("RequireNumbers", _NUMBERS, "Password must have numeric characters"),
    ("RequireSymbols", SYMBOLS, "Password must have symbol characters"),
)
"""In the order in which Cognito looks: the first that fails is the one that it names."""


class Passwords:
    """`ports.Passwords` of one process. one_of_many: there is a process like this one for every core."""

    def __init__(self, settings: Settings, *, one_of_many: bool = False) -> None:
        share = 1 if one_of_many else max(1, (os.cpu_count() or 1) // 2)
        threads = min(limit("userpools.password_threads"), share)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._places = threading.Semaphore(limit("userpools.passwords_waiting"))
        self._settings = settings
        self._nobodys = _render_phc(settings, clock.token_bytes(_SALT_BYTES), clock.token_bytes(_HASH_BYTES))

    def close(self) -> None:
        """End the threads; what waits is not begun."""
        self._threads.shutdown(cancel_futures=True)

    async def hash(self, password: str) -> str:
        salt = clock.token_bytes(_SALT_BYTES)
        passes, memory_bytes = self._settings.password_passes, self._settings.password_memory_kib * 1024
        digest = await self.run(lambda: argon2id.kdf(_HASH_BYTES, _encode(password), salt, passes, memory_bytes))
        return _render_phc(self._settings, salt, digest)

    async def verify(self, phc: str | None, password: str) -> bool:
        return await self.run(lambda: _is_of(phc or self._nobodys, password)) and phc is not None

    async def run(self, work: Callable[[], T]) -> T:
        if not self._places.acquire(blocking=False):
            raise AwsError("TooManyRequestsException", "Too many requests", log="too many password hashes are waiting")
        future = self._threads.submit(work)
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)


def _render_phc(settings: Settings, salt: bytes, digest: bytes) -> str:
    def encode(raw: bytes) -> str:
        return base64.b64encode(raw).decode("ascii").rstrip("=")

    cost = f"m={settings.password_memory_kib},t={settings.password_passes},p=1"
    return f"$argon2id$v=19${cost}${encode(salt)}${encode(digest)}"


def _is_of(phc: str, password: str) -> bool:
    try:
        return argon2id.verify(phc.encode("ascii"), _encode(password))
    except (nacl.exceptions.CryptoError, ValueError):
        return False


def _encode(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")  # JSON may bring half of a pair


# Rules


def check_policy(policy: Mapping[str, Any], password: str) -> None:
    """Whether a password is good enough for a pool.

    policy: the pool's `Policies.PasswordPolicy`, defaults filled in.
    Raises InvalidPasswordException with the first rule that fails.
    """
    if len(password) < policy["MinimumLength"]:
        raise _not_conforming("Password not long enough")
    for rule, characters, text in _CLASSES:
        # A space between other characters is a symbol; in front or behind, it is none.
        has_space = rule == "RequireSymbols" and " " in password.strip(" ")
        if policy.get(rule) and not has_space and not any(character in characters for character in password):
            raise _not_conforming(text)


def _not_conforming(text: str) -> AwsError:
    return AwsError("InvalidPasswordException", f"Password did not conform with policy: {text}")


async def check_history(passwords: scopegate.ports.Passwords, phcs: Sequence[str], password: str) -> None:
    """Whether a password was not used before. phcs: hashes of those that count, the present one among them.

    Raises PasswordHistoryPolicyViolationException.
    """
    for phc in phcs:
        if await passwords.verify(phc, password):
            raise AwsError("PasswordHistoryPolicyViolationException", "Password has previously been used")


def new_temporary_password(policy: Mapping[str, Any]) -> str:
    """A password that every policy of this length allows: all four classes of characters are in it."""
    length = max(_TEMPORARY_CHARACTERS, policy["MinimumLength"])
    classes = (_UPPERCASE, _LOWERCASE, _NUMBERS, _TEMPORARY_SYMBOLS)
    while True:
        password = clock.new_id(length, "".join(classes))
        if all(any(character in characters for character in password) for characters in classes):
            return password
