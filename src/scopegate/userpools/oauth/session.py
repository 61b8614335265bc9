"""A browser that is signed in at a pool's pages, and what it is given for an application.

The cookie is random and only its digest is stored. It is new at each sign-in, and good for an hour from then.
Source: reference, "/login", cookies; RFC 6749 sections 4.1.2 and 4.2.2; attack row O8.
"""

from dataclasses import dataclass, replace
from typing import Final

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.http.message import Response
from scopegate.store.port import Tx
from scopegate.userpools.oauth.authorization import Authorization
from scopegate.userpools.oauth.visit import SESSION, Visit
from scopegate.userpools.signin import queries
from scopegate.userpools.signin.model import HOSTED, AuthorizationCode, Family, digest_of, new_secret
from scopegate.userpools.signin.tokens import check_still_there, new_family, open_sign_in, sign_tokens
from scopegate.userpools.users import queries as user_queries
from scopegate.userpools.users.model import CONFIRMED, User

_LIFETIME_S: Final = limit("oauth.session_s")
_CODE_LIFETIME_S: Final = limit("oauth.code_s")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who is signed in. auth_time: since when; amr: by which means (RFC 8176)."""

    user: User
    auth_time: int
    amr: tuple[str, ...] = ()


async def find(visit: Visit) -> SignedIn | None:
    """Who is signed in at this pool with this browser; None for nobody, and for a user who may not sign in now."""
    cookie, pool_id, seal = visit.session, visit.asked.pool.pool_id, visit.seal
    if not cookie:
        return None

    def look(tx: Tx) -> SignedIn | None:
        found = queries.find_login_session(tx, pool_id, digest_of(cookie), clock.now())
        user = None if found is None else user_queries.find_user(tx, seal, pool_id, found[0])
        if found is None or user is None or user.status != CONFIRMED:
            return None
        return SignedIn(user, int(found[1]["auth_time"]), tuple(found[1]["amr"]))

    return await visit.store.read(look)


def asks_again(asked: Authorization, signed_in: SignedIn) -> bool:
    """Whether the application wants the user to be asked although the browser is signed in."""
    return bool(asked.prompts & {"login", "select_account"}) or _is_too_old(asked, signed_in)


def may_be_chosen(asked: Authorization, signed_in: SignedIn) -> bool:
    """Whether the user may go on as the one who is signed in, when the application asks which account to take."""
    return "select_account" in asked.prompts and "login" not in asked.prompts and not _is_too_old(asked, signed_in)


def _is_too_old(asked: Authorization, signed_in: SignedIn) -> bool:
    """`max_age=0` asks always, as `prompt=login` does (OpenID Connect Core section 3.1.2.1)."""
    if asked.max_age_s is None:
        return False
    return asked.max_age_s == 0 or int(clock.now()) - signed_in.auth_time > asked.max_age_s


async def open_session(visit: Visit, user: User, amr: tuple[str, ...]) -> SignedIn:
    """Sign the browser in: under a new cookie, whatever it brought. Raises NotAuthorizedException."""
    now, old, new = clock.now(), visit.session, new_secret()
    pool_id = visit.asked.pool.pool_id
    signed_in = SignedIn(user, int(now), amr)
    document = {"auth_time": signed_in.auth_time, "amr": list(amr)}

    def write(tx: Tx) -> None:
        check_still_there(tx, visit.seal, user)
        if old:
            queries.delete_login_session(tx, digest_of(old))
        queries.add_login_session(
            tx, digest_of(new), pool_id, user.name_key, now=now, expires_at=now + _LIFETIME_S, document=document
        )

    await visit.store.write(write)
    visit.set_cookie(SESSION, new, _LIFETIME_S)
    return signed_in


async def close_session(visit: Visit) -> None:
    """Sign the browser out."""
    old = visit.session
    if old:
        await visit.store.write(lambda tx: queries.delete_login_session(tx, digest_of(old)))
    visit.set_cookie(SESSION, "", 0)


async def hand_over(visit: Visit, signed_in: SignedIn) -> Response:
    """Back to the application: with a code, or with the tokens themselves.

    To the sign-in, for a user who was disabled or deleted just now.
    """
    asked, now = visit.asked, clock.now()
    family = new_family(
        asked.pool,
        asked.client,
        signed_in.user,
        now=now,
        scopes=asked.scopes,
        via=HOSTED,
        resource=asked.resource,
        nonce=asked.nonce,
        amr=signed_in.amr,
    )
    family = replace(family, auth_time=signed_in.auth_time)
    try:
        if asked.response_type == "token":
            return await _hand_tokens(visit, signed_in.user, family)
        return await _hand_code(visit, signed_in.user, family)
    except AwsError:
        return visit.go("/login")


async def _hand_code(visit: Visit, user: User, family: Family) -> Response:
    asked, now = visit.asked, clock.now()
    secret = clock.uuid4()
    code = AuthorizationCode(
        pool_id=asked.pool.pool_id,
        name_key=user.name_key,
        client_id=asked.client.client_id,
        expires_at=now + _CODE_LIFETIME_S,
        redirect_uri=asked.answering.redirect_uri,
        code_challenge=asked.code_challenge,
        family=family,
    )

    def write(tx: Tx) -> None:
        check_still_there(tx, visit.seal, user)
        queries.add_code(tx, digest_of(secret), code)

    await visit.store.write(write)
    return visit.leave(asked.answering.locate({"code": secret}))


async def _hand_tokens(visit: Visit, user: User, family: Family) -> Response:
    """The implicit flow: tokens in the fragment, and no refresh token."""
    asked = visit.asked

    opened = (await visit.store.write(lambda tx: open_sign_in(tx, visit.seal, family, user))).result
    try:
        issued = await sign_tokens(asked.pool, asked.client, user, opened.memberships, family, visit.edge.ports.invoke)
    except AwsError as error:
        return visit.leave(asked.answering.refuse("invalid_request", error.message).location)
    members = {"id_token": issued.id_token.decode("ascii")} if issued.id_token else {}
    members |= {
        "access_token": issued.access_token.decode("ascii"),
        "expires_in": str(issued.expires_in_s),
        "token_type": "Bearer",
    }
    return visit.leave(asked.answering.locate(members))
