"""← GET /error: what went wrong before an application could be told."""

import re
from contextlib import suppress
from typing import Final

from scopegate.http.message import Response
from scopegate.userpools.oauth.authorization import NoRedirect, find_client, read_query
from scopegate.userpools.oauth.visit import Visit

_CODE: Final = re.compile(r"[a-z_]{1,40}")  # anyone may write such an address: it says nothing but a code


async def answer_error(visit: Visit) -> Response:
    """Source: reference, "Other pages"; the page's status is 400."""
    code = ""
    with suppress(NoRedirect):
        query, repeated = read_query(visit.request.query)
        code = query.get("error", "")
        visit.client = find_client(query, repeated, visit.pool, visit.view)
    return visit.error_page(code if _CODE.fullmatch(code) else "invalid_request")
