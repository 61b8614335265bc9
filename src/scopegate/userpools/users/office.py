"""Where users are made, confirmed and changed: what that needs of this process, and the codes that prove an address.

Pages and operations share it. Source: reference, "Quotas, lifetimes, pages" (codes) and "Error texts".
"""

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scopegate.base import clock
from scopegate.base.limits import limit
from scopegate.ports import Passwords, Ports
from scopegate.store.port import Store, Tx
from scopegate.store.sealing import Sealer
from scopegate.userpools.messages import queries as messages
from scopegate.userpools.messages.compose import compose
from scopegate.userpools.messages.model import Delivery, Message
from scopegate.userpools.messages.post import post, send_beside
from scopegate.userpools.model import AppClient, PoolView
from scopegate.userpools.signin import queries
from scopegate.userpools.triggers import NO_CLIENT, About, attributes_of
from scopegate.userpools.users import queries as users
from scopegate.userpools.users import refusals
from scopegate.userpools.users.attributes import attribute_of_name
from scopegate.userpools.users.model import User, name_key_of

SIGN_UP: Final = "sign_up"
FORGOT_PASSWORD: Final = "forgot_password"  # noqa: S105 - what a code is for

_DIGITS: Final = 6
_WINDOW_S: Final = 3_600
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class _Kind:
    """Of codes for one purpose: how long they live, how many an hour are sent, how many an hour are looked at."""

    life_s: int
    sent: int
    tries: int


_OF_AN_ADDRESS: Final = _Kind(
    limit("userpools.code_s"), limit("userpools.codes_per_hour"), limit("userpools.code_tries_per_hour")
)
_KINDS: Final[Mapping[str, _Kind]] = {
    SIGN_UP: _Kind(_OF_AN_ADDRESS.life_s, _OF_AN_ADDRESS.sent + 1, _OF_AN_ADDRESS.tries),  # the first is not resent
    FORGOT_PASSWORD: _Kind(
        limit("userpools.reset_code_s"), _OF_AN_ADDRESS.sent, limit("userpools.reset_tries_per_hour")
    ),
    "email": _OF_AN_ADDRESS,
    "phone_number": _OF_AN_ADDRESS,
}
"""By purpose: an address is proved under its attribute's name."""


@dataclass(frozen=True, slots=True)
class Office:
    """client: None where an operator acts. metadata: ClientMetadata of this request."""

    pool: PoolView
    client: AppClient | None
    ports: Ports
    store: Store
    seal: Sealer
    metadata: Mapping[str, str] | None = None

    @property
    def document(self) -> Mapping[str, Any]:
        return self.pool.document

    @property
    def passwords(self) -> Passwords:
        return self.ports.passwords

    @property
    def hides_users(self) -> bool:
        return self.client is not None and self.client.sign_in.hides_users

    def about(self, username: str, attributes: Mapping[str, str] | None) -> About:
        """For events."""
        client_id = self.client.client_id if self.client is not None else NO_CLIENT
        return About(username, client_id, attributes, self.metadata)

    def about_user(self, user: User) -> About:
        return self.about(user.username, attributes_of(user))

    def password_policy(self) -> Mapping[str, Any]:
        policy: Mapping[str, Any] = self.document["Policies"]["PasswordPolicy"]
        return policy

    async def write_message(self, user: User, source: str, delivery: Delivery, code: str) -> Message:
        """A message that is ready for the outbox. source: of the CustomMessage trigger."""
        return await compose(
            self.pool,
            self.ports.invoke,
            source,
            self.about_user(user),
            delivery,
            code,
            public_url=self.ports.public_url,
        )

    def keep(self, tx: Tx, message: Message) -> None:
        messages.keep_message(tx, self.seal, message, clock.now())

    async def post(self, user: User, message: Message) -> None:
        """Raises CodeDeliveryFailureException."""
        await post(self.pool, self.ports, message, self.about_user(user))

    # Codes

    def put_code(self, tx: Tx, user: User, purpose: str, code: str) -> None:
        """Raises LimitExceededException when too many were sent within the hour."""
        kind, now = _KINDS[purpose], clock.now()
        is_put = messages.put_code(
            tx,
            self.seal,
            user.pool_id,
            user.name_key,
            purpose,
            code,
            now=now,
            expires_at=now + kind.life_s,
            most=kind.sent,
            window_s=_WINDOW_S,
        )
        if not is_put:
            raise refusals.attempt_limit()

    async def send_code(self, user: User, purpose: str, source: str, delivery: Delivery) -> None:
        """Send a new code, which ends the one before.

        Raises LimitExceededException, UserNotFoundException, CodeDeliveryFailureException.
        """
        code = new_code()
        message = await self.write_message(user, source, delivery, code)

        def write(tx: Tx) -> None:
            if users.find_again(tx, self.seal, user) is None:  # while a function chose the words
                raise refusals.unknown_user()
            self.put_code(tx, user, purpose, code)
            self.keep(tx, message)

        await self.store.write(write)
        await self.post(user, message)

    def do_beside(self, work: Coroutine[Any, Any, None]) -> None:
        """`send_beside` of this pool."""
        send_beside(self.pool, self.ports, work)

    async def check_code(self, user: User | None, purpose: str, code: str) -> None:
        """Whether this is the code; it is not used up yet. The try counts whatever comes of it.

        user: None for one who has no code, and must not be told apart: then every try costs a write, and every refusal
        is the same (attack O17). Raises CodeMismatchException, ExpiredCodeException, LimitExceededException.
        """

        def look(tx: Tx) -> str:
            if self.hides_users:
                queries.write_nothing(tx, self.seal, self.pool.pool_id)
            if user is None:
                return messages.WRONG
            return messages.try_code(
                tx,
                self.seal,
                user.pool_id,
                user.name_key,
                purpose,
                code,
                now=clock.now(),
                most=_KINDS[purpose].tries,
                window_s=_WINDOW_S,
            )

        said = (await self.store.write(look)).result
        if said == messages.RIGHT:
            return
        if said == messages.WRONG or (self.hides_users and purpose in (SIGN_UP, FORGOT_PASSWORD)):
            raise refusals.wrong_code()
        raise refusals.attempt_limit() if said == messages.EXHAUSTED else refusals.expired_code()

    def use_code(self, tx: Tx, user: User, purpose: str, code: str) -> None:
        """Raises ExpiredCodeException when another answer was first."""
        if not messages.take_code(tx, self.seal, user.pool_id, user.name_key, purpose, code, clock.now()):
            raise refusals.wrong_code() if self.hides_users else refusals.expired_code()

    def count_try(self, purpose: str, username: str) -> None:
        """Count a try for a name, whoever has it or nobody: what is refused then must not tell which.

        Raises LimitExceededException.
        """
        self._count("try", purpose, username, _KINDS[purpose].tries)

    def count_sent(self, purpose: str, username: str) -> None:
        """Count a code that is asked for. Raises LimitExceededException."""
        self._count("send", purpose, username, _KINDS[purpose].sent)

    def _count(self, what: str, purpose: str, username: str, most: int) -> None:
        key = (what, purpose, self.pool.pool_id, name_key_of(username, self.document))
        if not self.ports.rates.take(key, per_second=most / _WINDOW_S, burst=most):
            raise refusals.attempt_limit()

    def show_delivery(self, user: User | None, username: str, attribute: str) -> dict[str, str]:
        """CodeDeliveryDetails where nobody may know whether a code is sent."""
        return show_delivery(self.seal, self.document, user, username, attribute)


def show_delivery(
    seal: Sealer, document: Mapping[str, Any], user: User | None, username: str, attribute: str
) -> dict[str, str]:
    """CodeDeliveryDetails of whoever is asked for: where a code goes, or would go, the same in every answer.

    user: None for one who is not there; their address is imagined (attack O17). document: UserPoolType.
    """
    value = None if user is None else user.attributes.get(attribute)
    is_address = "@" in username if attribute == "email" else username.startswith("+")
    if value is None and is_address and attribute == attribute_of_name(document, username):
        value = username
    details = Delivery(attribute, value or "").render()
    return details if value else details | {"Destination": _imagine(seal, document, username, attribute)}


def _imagine(seal: Sealer, document: Mapping[str, Any], username: str, attribute: str) -> str:
    digest = seal.digest(name_key_of(username, document), f"nobody/{document['Id']}")
    if attribute == "phone_number":
        return f"+{'*' * 7}{int.from_bytes(digest[:2], 'big') % 10_000:04}"
    return f"{_LETTERS[digest[0] % 26]}***@{_LETTERS[digest[1] % 26]}***"


def new_code() -> str:
    return clock.new_id(_DIGITS, "0123456789")


def delivery_to_verify(document: Mapping[str, Any], user: User) -> Delivery | None:
    """Where a new user's code goes: to the phone before the mail, of those that the pool verifies by itself."""
    verified = document.get("AutoVerifiedAttributes") or ()
    for attribute in ("phone_number", "email"):
        if attribute in verified and user.attributes.get(attribute):
            return Delivery(attribute, user.attributes[attribute])
    return None
