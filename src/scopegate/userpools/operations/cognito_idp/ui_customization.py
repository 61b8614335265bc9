"""How the sign-in pages of a pool look: CSS and a logo, for all of its clients or for one.

What may be in the CSS is decided in `pages/branding.py`.
Source: botocore's model, SetUICustomization; reference, "Look of the pages, terms".
"""

import base64
from collections.abc import Mapping
from typing import Any

from scopegate.aws.operations import Shape
from scopegate.ports import Call
from scopegate.store.documents import Document
from scopegate.userpools import queries
from scopegate.userpools.operations.cognito_idp import refusals
from scopegate.userpools.operations.cognito_idp.lookup import get_client, get_pool, moment
from scopegate.userpools.pages.branding import (
    EVERY_CLIENT,
    CssRefused,
    customization_of,
    digest_of,
    find_image_kind,
    read_css,
)


def set_ui_customization(call: Call, request: Shape) -> Shape:
    """SetUICustomization: the whole; what the request leaves out is customized no more, nor is who has nothing left."""
    pool = get_pool(call, request["UserPoolId"])
    client_id = request.get("ClientId", EVERY_CLIENT)
    if client_id != EVERY_CLIENT:
        get_client(call, pool["Id"], client_id)
    settings = {name: each for name, each in pool.get("UICustomization", {}).items() if name != client_id}
    if not (request.get("CSS") or request.get("ImageFile")):
        _put(call, pool, settings)
        return {"UICustomization": {}}
    if not queries.list_domains(call.tx, pool["Id"]):
        raise refusals.invalid("There has to be an existing domain associated with this user pool")
    now = moment(call)
    made = pool.get("UICustomization", {}).get(client_id, {}).get("CreationDate", now)
    customization: dict[str, Any] = {"CreationDate": made, "LastModifiedDate": now}
    if css := request.get("CSS"):
        try:
            read_css(css)
        except CssRefused as refused:
            raise refusals.invalid(f"Invalid CSS: {refused}.") from None
        customization["CSS"] = css
    if image := request.get("ImageFile"):
        if find_image_kind(image) is None:
            raise refusals.invalid("Invalid image file: only PNG and JPEG are supported.")
        customization["Image"] = base64.b64encode(image).decode("ascii")
    _put(call, pool, {**settings, client_id: customization})
    return {"UICustomization": _render(call, pool["Id"], client_id, customization)}


def _put(call: Call, pool: Document, settings: Mapping[str, Any]) -> None:
    queries.put_pool(call.tx, call.account, call.region, pool["Id"], pool | {"UICustomization": dict(settings)})


def get_ui_customization(call: Call, request: Shape) -> Shape:
    """GetUICustomization: what was set for the client, else for all; empty where nothing was."""
    pool = get_pool(call, request["UserPoolId"])
    client_id = request.get("ClientId", EVERY_CLIENT)
    if client_id != EVERY_CLIENT:
        get_client(call, pool["Id"], client_id)
    found = customization_of(pool, client_id)
    if not found:
        return {"UICustomization": {}}
    own = client_id if client_id in pool["UICustomization"] else EVERY_CLIENT
    return {"UICustomization": _render(call, pool["Id"], own, found)}


def _render(call: Call, pool_id: str, client_id: str, customization: Mapping[str, Any]) -> Shape:
    shown: Shape = {"UserPoolId": pool_id, "ClientId": client_id}
    if "Image" in customization:
        content = base64.b64decode(customization["Image"])
        name = f"{client_id}-{digest_of(content)}.{find_image_kind(content)}"
        shown["ImageUrl"] = f"{call.ports.public_url}/{pool_id}/login/{name}"
    if "CSS" in customization:
        shown["CSS"] = customization["CSS"]
        shown["CSSVersion"] = f"{customization['LastModifiedDate'] * 1000:.0f}"
    return shown | {name: customization[name] for name in ("LastModifiedDate", "CreationDate")}
