"""← GET /oauth2/authorize: what the application asks for; a browser that is signed in gets its answer at once.

Source: RFC 6749 sections 4.1.1 and 4.2.1; OpenID Connect Core section 3.1.2; reference, GET /oauth2/authorize.
"""

from scopegate.http.message import Response
from scopegate.store.port import StoreUnavailable
from scopegate.userpools.oauth import session
from scopegate.userpools.oauth.visit import Visit, read_asked


async def answer_authorize(visit: Visit) -> Response:
    """1 what is asked; 2 the browser's session answers, unless the user is to be asked; 3 else the sign-in page, or
    the refusal that `prompt=none` wants instead. Without the database the application is told `server_error`.

    Raises NoRedirect, Redirected.
    """
    # 1
    asked = read_asked(visit)
    # 2
    try:
        signed_in = await session.find(visit)
        if signed_in is not None and not session.asks_again(asked, signed_in):
            return await session.hand_over(visit, signed_in)
    except StoreUnavailable as error:
        raise asked.answering.refuse("server_error", log=str(error)) from error
    # 3
    if "none" in asked.prompts:
        raise asked.answering.refuse("login_required")
    return visit.go("/login")
