"""Messages and where they go: frozen, valid by construction."""

import re
from dataclasses import dataclass, field
from typing import Final

EMAIL: Final = "EMAIL"
SMS: Final = "SMS"

_ATTRIBUTES: Final = {"email": EMAIL, "phone_number": SMS}
_SHOWN_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a code goes (AWS: CodeDeliveryDetailsType). attribute: the user's, `email` or `phone_number`."""

    attribute: str
    destination: str

    @property
    def medium(self) -> str:
        return _ATTRIBUTES[self.attribute]

    def render(self) -> dict[str, str]:
        """CodeDeliveryDetails, which show no more than whoever has the address knows."""
        return {
            "Destination": mask(self.destination),
            "DeliveryMedium": self.medium,
            "AttributeName": self.attribute,
        }


def mask(destination: str) -> str:
    """An address as answers show it: `f***@e***`, `+*******1234` (reference, "Error texts")."""
    name, at, host = destination.partition("@")
    if at:
        return f"{name[:1]}***@{host[:1]}***"
    digits = re.sub("[^0-9]", "", destination)
    return f"+{'*' * max(0, len(digits) - _SHOWN_DIGITS)}{digits[-_SHOWN_DIGITS:]}"


@dataclass(frozen=True, slots=True)
class Message:
    """One message. purpose: as the trigger source of CustomMessage ends: SignUp, ForgotPassword, …

    subject: "" for an SMS. body: HTML of a mail, text of an SMS. code: what it is about, for the pool's own sender.
    """

    pool_id: str
    username: str
    medium: str
    destination: str
    purpose: str
    subject: str
    body: str = field(repr=False)
    code: str = field(default="", repr=False)

    @property
    def attribute(self) -> str:
        """The user's attribute that has the destination."""
        return next(name for name, medium in _ATTRIBUTES.items() if medium == self.medium)


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message of the outbox. number: grows with each."""

    number: int
    created_at: float
    message: Message
