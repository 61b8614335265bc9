"""Attributes of users by the rules of their pool: names, types, bounds, who may write and read them, what is an alias.

Values are text, whatever the type. Source: reference, "Users, groups, attributes", "User pools", "App clients".
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from scopegate.base.limits import limit
from scopegate.userpools.users import refusals
from scopegate.userpools.users.model import name_key_of

Document = Mapping[str, Any]

_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")
_PHONE: Final = re.compile(r"\+[0-9]{1,15}")
_SUB: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,309}(?:\.[0-9]{1,15})?")
_DATE_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]{5,15}(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?")
ADDRESSES: Final = ("email", "phone_number")
_VERIFIED: Final = tuple(f"{name}_verified" for name in ADDRESSES)
_OF_THE_SERVICE: Final = frozenset({"sub", "identities"})
_TAKEN: Final = {"email": "email", "phone_number": "phone_number", "preferred_username": "preferred_username"}


def read_attributes(given: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """`[{"Name": …, "Value": …}]` as a mapping; one that comes twice counts as it came last."""
    attributes = {each["Name"]: each.get("Value", "") for each in given}
    # As Python writes it, `True` proves an address as well.
    return {name: value.lower() if name in _VERIFIED else value for name, value in attributes.items()}


def render_attributes(attributes: Mapping[str, str]) -> list[dict[str, str]]:
    """AWS's list of names and values."""
    return [{"Name": name, "Value": value} for name, value in attributes.items()]


def in_order(pool: Document, attributes: Mapping[str, str]) -> dict[str, str]:
    """The attributes in the order of the pool's schema."""
    names = [attribute["Name"] for attribute in pool["SchemaAttributes"]]
    known = {name: attributes[name] for name in names if name in attributes}
    return known | {name: value for name, value in attributes.items() if name not in known}


def check_attributes(
    pool: Document,
    attributes: Mapping[str, str],
    *,
    before: Mapping[str, str] | None = None,
    writable: Collection[str] | None = None,
    by_admin: bool = False,
) -> None:
    """Whether these may be set. before: those that stand, None for a new user. writable: what the app client may
    write, None for all that people may.

    1. the pool has it, and whoever asks may write it; 2. type and bounds; 3. not changed where it is not mutable;
    4. an address that is said to be verified is there; 5. of a new user, all that is required.
    Raises InvalidParameterException, NotAuthorizedException.
    """
    schema = {attribute["Name"]: attribute for attribute in pool["SchemaAttributes"]}
    for name, value in attributes.items():
        # 1
        definition = schema.get(name)
        if definition is None:
            raise _unfit(name, "Attribute does not exist in the schema.")
        if name in _OF_THE_SERVICE:
            raise refusals.invalid(f"Cannot modify an already provided {name}" if before else f"Cannot set {name}")
        if not by_admin:
            _check_written_by_user(name, definition, writable)
        # 2
        _check_value(name, value, definition)
        # 3
        if before is not None and name in before and before[name] != value and not definition.get("Mutable", True):
            raise refusals.invalid(f"user.{name}: Attribute cannot be updated.")
    # 4
    for name in ADDRESSES:
        if attributes.get(f"{name}_verified") == "true" and not {**(before or {}), **attributes}.get(name):
            raise refusals.invalid(f"user.{name}: A value must be provided to be verified.")
    # 5
    if before is None and not by_admin:
        for name, definition in schema.items():
            if definition.get("Required") and name not in _OF_THE_SERVICE and not attributes.get(name):
                raise _unfit(name, "The attribute is required")


def check_removal(
    pool: Document, names: Iterable[str], *, writable: Collection[str] | None = None, by_admin: bool = False
) -> None:
    """Whether these may be taken from a user: the pool has them, they may change, and are neither required nor of the
    service."""
    schema = {attribute["Name"]: attribute for attribute in pool["SchemaAttributes"]}
    for name in names:
        definition = schema.get(name)
        if definition is None:
            raise _unfit(name, "Attribute does not exist in the schema.")
        if name in _OF_THE_SERVICE or definition.get("Required") or not definition.get("Mutable", True):
            raise refusals.invalid(f"user.{name}: Attribute cannot be deleted.")
        if not by_admin:
            _check_written_by_user(name, definition, writable)


def _check_written_by_user(name: str, definition: Document, writable: Collection[str] | None) -> None:
    is_closed = name in _VERIFIED or definition.get("DeveloperOnlyAttribute")
    if is_closed or (writable is not None and name not in writable):
        raise refusals.not_authorized("A client attempted to write unauthorized attribute")


def missing_required(pool: Document, attributes: Mapping[str, str]) -> list[str]:
    """Names of required attributes that a user has no value of, in the order of the schema."""
    return [
        attribute["Name"]
        for attribute in pool["SchemaAttributes"]
        if attribute.get("Required")
        and attribute["Name"] not in _OF_THE_SERVICE
        and not attributes.get(attribute["Name"])
    ]


def _check_value(name: str, value: str, definition: Document) -> None:
    if name == "email" and value and not _EMAIL.fullmatch(value):
        raise refusals.invalid("Invalid email address format.")
    if name == "phone_number" and value and not _PHONE.fullmatch(value):
        raise refusals.invalid("Invalid phone number format.")
    kind = definition["AttributeDataType"]
    if kind == "String":
        bounds = definition.get("StringAttributeConstraints") or {}
        longest = int(bounds.get("MaxLength") or limit("userpools.attribute_characters"))
        if len(value) < int(bounds.get("MinLength") or 0):
            raise _unfit(name, f"String must be longer than or equal to {bounds['MinLength']} characters")
        if len(value) > longest:
            raise _unfit(name, f"String must be no longer than {longest} characters")
    elif kind == "Number" and value:
        bounds = definition.get("NumberAttributeConstraints") or {}
        if not _NUMBER.fullmatch(value):
            raise _unfit(name, f"Attribute is not a number: {value}")
        if "MinValue" in bounds and float(value) < float(bounds["MinValue"]):
            raise _unfit(name, f"Number must be greater than or equal to {bounds['MinValue']}")
        if "MaxValue" in bounds and float(value) > float(bounds["MaxValue"]):
            raise _unfit(name, f"Number must be less than or equal to {bounds['MaxValue']}")
    elif kind == "Boolean" and value not in ("true", "false", "", "True", "False"):
        raise _unfit(name, f"Attribute is not a boolean: {value}")
    elif kind == "DateTime" and value and not _DATE_TIME.fullmatch(value):
        raise _unfit(name, f"Attribute is not a date and time: {value}")


def _unfit(name: str, why: str) -> Exception:
    return refusals.invalid(f"Attributes did not conform to the schema: {name}: {why}")


# What finds a user beside the name


def username_attributes(pool: Document) -> tuple[str, ...]:
    """`email`, `phone_number`, where users of the pool sign up with these instead of a name."""
    return tuple(pool.get("UsernameAttributes") or ())


def aliases_of(pool: Document, attributes: Mapping[str, str]) -> dict[str, str]:
    """Attribute → value as the pool compares it, of all that a user with these attributes signs in with.

    With UsernameAttributes an address counts from the start; an alias counts when it is verified, and a preferred user
    name always.
    """
    by_name = username_attributes(pool)
    aliases = pool.get("AliasAttributes") or ()
    found = {}
    for name in _TAKEN:
        value = attributes.get(name)
        if not value:
            continue
        is_verified = name == "preferred_username" or attributes.get(f"{name}_verified") == "true"
        if name in by_name or (name in aliases and is_verified):
            found[name] = name_key_of(value, pool)
    return found


def check_new_name(pool: Document, username: str) -> None:
    """Whether a new user may be called so. Raises InvalidParameterException."""
    by_name = username_attributes(pool)
    is_email, is_phone = bool(_EMAIL.fullmatch(username)), bool(_PHONE.fullmatch(username))
    if set(by_name) == {"email"} and not is_email:
        raise refusals.invalid("Username should be an email.")
    if set(by_name) == {"phone_number"} and not is_phone:
        raise refusals.invalid("Username should be a phone number.")
    if len(by_name) == 2 and not (is_email or is_phone):
        raise refusals.invalid("Username should be either an email or a phone number.")
    aliases = pool.get("AliasAttributes") or ()
    if "email" in aliases and is_email:
        raise refusals.invalid("Username cannot be of email format, since user pool is configured for email alias.")
    if "phone_number" in aliases and is_phone:
        raise refusals.invalid(
            "Username cannot be of phone number format, since user pool is configured for phone number alias."
        )


def could_be_username(pool: Document, username: str) -> bool:
    """Whether a user of this pool may be called so, by the look of it; in a pool of addresses the name is a `sub`."""
    if username_attributes(pool):
        return bool(_SUB.fullmatch(username))
    aliases = pool.get("AliasAttributes") or ()
    is_alias = {"email": bool(_EMAIL.fullmatch(username)), "phone_number": bool(_PHONE.fullmatch(username))}
    return not any(is_alias.get(name) for name in aliases)


def attribute_of_name(pool: Document, username: str) -> str | None:
    """Which attribute a user name of a pool with UsernameAttributes is the value of; None in other pools."""
    by_name = username_attributes(pool)
    if not by_name:
        return None
    return "phone_number" if _PHONE.fullmatch(username) and "phone_number" in by_name else by_name[0]


# What an app client may see


def readable(attributes: Mapping[str, str], allowed: Collection[str] | None) -> dict[str, str]:
    """Those that the app client may read: `sub` and `identities` always.

    allowed: its ReadAttributes; None is the default: all standard ones, and the pool's own.
    """
    if allowed is None:
        return {name: value for name, value in attributes.items() if not name.startswith("dev:")}
    return {name: value for name, value in attributes.items() if name in _OF_THE_SERVICE or name in allowed}
