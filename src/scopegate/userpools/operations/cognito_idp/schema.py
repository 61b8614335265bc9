"""The attributes of a user pool: the standard ones, what CreateUserPool may change of them, and custom ones.

Source: reference, "User pools" (standard attributes in order); the model's texts of SchemaAttributeType.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base.limits import limit
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.userpools import queries
from scopegate.userpools.operations.cognito_idp import refusals
from scopegate.userpools.operations.cognito_idp.lookup import get_pool, moment


def _text(name: str, shortest: str = "0", longest: str = "2048", **changed: Any) -> Document:
    constraints = {"MinLength": shortest, "MaxLength": longest}
    return _attribute(name, "String", StringAttributeConstraints=constraints) | changed


def _attribute(name: str, data_type: str, **constraints: Any) -> Document:
    return {
        "Name": name,
        "AttributeDataType": data_type,
        "DeveloperOnlyAttribute": False,
        "Mutable": True,
        "Required": False,
        **constraints,
    }


def standard_attributes() -> list[Document]:
    """The standard attributes in Cognito's order, as a pool has them that says nothing of its own.

    `identities` is none of them: AWS adds it with a pool's first identity provider.
    """
    names = (
        "name",
        "given_name",
        "family_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "email",
    )
    return [
        _text("sub", shortest="1", Mutable=False, Required=True),
        *(_text(name) for name in names),
        _attribute("email_verified", "Boolean"),
        _text("gender"),
        _text("birthdate", shortest="10", longest="10"),
        _text("zoneinfo"),
        _text("locale"),
        _text("phone_number"),
        _attribute("phone_number_verified", "Boolean"),
        _text("address"),
        _attribute("updated_at", "Number", NumberAttributeConstraints={"MinValue": "0"}),
    ]


_STANDARD_NAMES: Final = frozenset(attribute["Name"] for attribute in standard_attributes())

_CONSTRAINTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "String": ("StringAttributeConstraints", "MinLength", "MaxLength"),
    "Number": ("NumberAttributeConstraints", "MinValue", "MaxValue"),
}


def attribute_names(pool: Document) -> frozenset[str]:
    """Names as app clients list them: `email`, `custom:department`."""
    return frozenset(attribute["Name"] for attribute in pool["SchemaAttributes"])


def render_schema(wanted: Sequence[Shape]) -> list[Document]:
    """The SchemaAttributes of a new pool from CreateUserPool's `Schema`.

    Raises InvalidParameterException for what no pool can have.
    """
    attributes = {attribute["Name"]: attribute for attribute in standard_attributes()}
    custom: list[Shape] = []
    seen: set[str] = set()
    for attribute in wanted:
        name = _get_name(attribute)
        if name in seen:
            raise refusals.invalid(f"Schema attribute {name} is defined more than once.")
        seen.add(name)
        if name in attributes:
            attributes[name] = _change_standard(attributes[name], attribute)
        else:
            custom.append(attribute)
    return add_custom(list(attributes.values()), custom)


def add_custom(attributes: list[Document], wanted: Sequence[Shape]) -> list[Document]:
    """The attributes with custom ones behind them. Raises InvalidParameterException."""
    names = {attribute["Name"] for attribute in attributes}
    added = []
    for attribute in wanted:
        custom = _render_custom(attribute)
        name = custom["Name"]
        if name in names:
            raise refusals.invalid(f"{name}: Existing attribute already has name {name}.")
        names.add(name)
        added.append(custom)
    if len(names - _STANDARD_NAMES) > limit("userpools.custom_attributes"):
        raise refusals.invalid("Exceeded the limit of custom attributes for this user pool.")
    return attributes + added


def _get_name(attribute: Shape) -> str:
    name = attribute.get("Name")
    if name is None:
        raise refusals.invalid("Schema attributes need a Name.")
    return str(name)


def _change_standard(standard: Document, wanted: Shape) -> Document:
    name = standard["Name"]
    data_type = wanted.get("AttributeDataType", standard["AttributeDataType"])
    if data_type != standard["AttributeDataType"] or wanted.get("DeveloperOnlyAttribute"):
        raise refusals.invalid(
            f"You can not change AttributeDataType or set developerOnlyAttribute for standard schema attribute {name}"
        )
    if name == "sub" and (wanted.get("Mutable") or wanted.get("Required") is False):
        raise refusals.invalid("The schema attribute sub is always required and never mutable.")
    changed = {member: wanted[member] for member in ("Mutable", "Required") if member in wanted}
    return standard | changed | _render_constraints(name, data_type, wanted)


def _render_custom(wanted: Shape) -> Document:
    name = _get_name(wanted)
    if wanted.get("Required"):
        raise refusals.invalid("Required custom attributes are not supported currently.")
    developer_only = bool(wanted.get("DeveloperOnlyAttribute"))
    data_type = wanted.get("AttributeDataType", "String")
    constraints = _CONSTRAINTS.get(data_type)
    return {
        "Name": f"{'dev' if developer_only else 'custom'}:{name}",
        "AttributeDataType": data_type,
        "DeveloperOnlyAttribute": developer_only,
        "Mutable": wanted.get("Mutable", True),
        "Required": False,
        **({constraints[0]: {}} if constraints else {}),
        **_render_constraints(name, data_type, wanted),
    }


def _render_constraints(name: str, data_type: str, wanted: Shape) -> Document:
    """The constraints member of an attribute, empty when it says none of its type."""
    if data_type not in _CONSTRAINTS:
        return {}
    member, least_name, most_name = _CONSTRAINTS[data_type]
    given = wanted.get(member)
    if given is None:
        return {}
    least, most = (_read_bound(name, member, given.get(bound)) for bound in (least_name, most_name))
    if data_type == "String" and max(least or 0, most or 0) > limit("userpools.attribute_characters"):
        raise refusals.invalid(f"user.{name}: String attributes cannot have a length of more than 2048")
    if least is not None and most is not None and least > most:
        word = "length" if data_type == "String" else "value"
        raise refusals.invalid(f"user.{name}: Max {word} cannot be less than min {word}.")
    return {member: dict(given)}


def _read_bound(name: str, member: str, text: str | None) -> int | None:
    """A bound is a whole number in text; AWS takes numbers up to 2^1023."""
    if text is None:
        return None
    digits = text.removeprefix("-") if member.startswith("Number") else text
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 309):
        raise refusals.invalid(f"Invalid {member} for schema attribute {name}")
    return int(text)


def add_custom_attributes(call: Call, request: Shape) -> Shape:
    """AddCustomAttributes: they come behind the others and are never removed."""
    pool = get_pool(call, request["UserPoolId"])
    attributes = add_custom(pool["SchemaAttributes"], request["CustomAttributes"])
    changed = pool | {"SchemaAttributes": attributes, "LastModifiedDate": moment(call)}
    queries.put_pool(call.tx, call.account, call.region, pool["Id"], changed)
    return {}
