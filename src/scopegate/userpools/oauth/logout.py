"""← GET /logout: the browser is signed out, and goes to a registered address or to the sign-in page.

Tokens are not taken back, and nothing is asked of the user: that is Cognito's contract, which is not OpenID Connect's.
Source: reference, "GET /logout"; attack row O7.
"""

from scopegate.http.message import Response
from scopegate.userpools.oauth import session
from scopegate.userpools.oauth.authorization import Answering, NoRedirect, find_client, read_query
from scopegate.userpools.oauth.visit import Visit, read_asked


async def answer_logout(visit: Visit) -> Response:
    """1 the client; 2 `logout_uri` wins, when it is one of the client's, byte for byte; 3 else with `redirect_uri` to
    the sign-in page, as if authorize were asked; 4 else a page that says so: as at Cognito the browser is signed out,
    and the status is that of an error, for neither form was asked for. Signed out is only who gets there.

    Raises NoRedirect, Redirected.
    """
    # 1
    query, repeated = read_query(visit.request.query)
    visit.client = client = find_client(query, repeated, visit.pool, visit.view)
    # 2
    if (logout_uri := query.get("logout_uri")) is not None:
        if logout_uri not in client.sign_in.logout_urls or "logout_uri" in repeated:
            raise NoRedirect("redirect_mismatch", "logout_uri is not registered", client.client_id)
        await session.close_session(visit)
        return visit.leave(Answering(logout_uri, False, None).locate({}))
    # 3
    if "redirect_uri" in query or "response_type" in query:
        read_asked(visit)
        await session.close_session(visit)
        return visit.go("/login")
    # 4
    await session.close_session(visit)
    title, lead, text = (visit.say(f"signedOut.{name}") for name in ("title", "lead", "text"))
    return visit.message(title, lead, text, status=400)
