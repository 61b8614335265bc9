"""The fields of forms about users: what each attribute is called, how a browser fills it, which passwords will do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scopegate.userpools.pages.words import read_words, say

# attribute → (type of the input, autocomplete)
_INPUTS: Final[Mapping[str, tuple[str, str]]] = {
    "address": ("text", "street-address"),
    "birthdate": ("date", "bday"),
    "email": ("email", "email"),
    "family_name": ("text", "family-name"),
    "gender": ("text", "sex"),
    "given_name": ("text", "given-name"),
    "locale": ("text", "language"),
    "middle_name": ("text", "additional-name"),
    "name": ("text", "name"),
    "nickname": ("text", "nickname"),
    "phone_number": ("tel", "tel"),
    "picture": ("url", "photo"),
    "preferred_username": ("text", "nickname"),
    "profile": ("url", "url"),
    "website": ("url", "url"),
}
# What a policy asks for → the key of its words, and how Cognito's refusal ends when it is missing.
_RULES: Final[Mapping[str, tuple[str, str]]] = {
    "MinimumLength": ("password.length", "Password not long enough"),
    "RequireUppercase": ("password.uppercase", "Password must have uppercase characters"),
    "RequireLowercase": ("password.lowercase", "Password must have lowercase characters"),
    "RequireNumbers": ("password.number", "Password must have numeric characters"),
    "RequireSymbols": ("password.symbol", "Password must have symbol characters"),
}


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute as a form asks for it. name: as the schema spells it."""

    name: str
    label: str
    type: str
    autocomplete: str
    value: str = ""
    hint: str = ""
    required: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that a password must have. broken: the one that was sent has not."""

    text: str
    broken: bool


def label_of(name: str, language: str) -> str:
    """What an attribute is called; a custom one by its own name."""
    return read_words(language).get(f"name.{name}") or name.removeprefix("custom:")


def field_of(name: str, language: str, value: str = "", *, required: bool = True) -> Field:
    kind, autocomplete = _INPUTS.get(name, ("text", "off"))
    hint = say(language, "phone.hint") if name == "phone_number" else ""
    return Field(name, label_of(name, language), kind, autocomplete, value, hint, required)


def rules_of(policy: Mapping[str, Any], language: str, refusal: str = "") -> Iterable[Rule]:
    """What a pool's PasswordPolicy asks for. refusal: Cognito's text about the password that was sent."""
    for member, (key, ending) in _RULES.items():
        if asked := policy.get(member):
            yield Rule(say(language, key, count=int(asked)), bool(refusal) and refusal.endswith(ending))
