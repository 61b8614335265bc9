"""Second factors of one user: authenticator apps, and which factors are on. Those of the pool are set in `mfa.py`.

Source: reference, "MFA", "Auth flows and challenges" (TOTP), "Error texts".
"""

import base64
from dataclasses import replace
from typing import Final

from scopegate.aws.operations import Shape
from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.ports import Call
from scopegate.store.port import Tx
from scopegate.userpools.model import PoolView
from scopegate.userpools.operations.cognito_idp.asking import pool_of_operator, read_bearer, user_of, view_of
from scopegate.userpools.operations.cognito_idp.render_users import get_user_for_operator
from scopegate.userpools.signin import queries as sign_ins
from scopegate.userpools.signin.answers import associate_totp, find_totp_step, verify_totp
from scopegate.userpools.signin.desk import open_desk
from scopegate.userpools.signin.flow import Desk
from scopegate.userpools.signin.model import digest_of
from scopegate.userpools.users import queries, refusals
from scopegate.userpools.users.factors import has_means, is_required
from scopegate.userpools.users.model import EMAIL_OTP, SMS_MFA, SOFTWARE_TOKEN_MFA, User

_SECRET_BYTES: Final = 20  # RFC 4226 section 4, R6

# In the order in which answers list them.
_SETTINGS: Final = (
    ("SMSMfaSettings", SMS_MFA),
    ("SoftwareTokenMfaSettings", SOFTWARE_TOKEN_MFA),
    ("EmailMfaSettings", EMAIL_OTP),
)


async def associate_software_token(call: Call, request: Shape) -> Shape:
    """AssociateSoftwareToken: a new secret for an app, of a user who is signed in, or whom a sign-in asks for one."""
    if "Session" in request and "AccessToken" not in request:
        desk = await _desk_of_session(call, request["Session"])
        _check_pool(desk.pool)
        secret, session = await associate_totp(desk, request["Session"])
        return {"SecretCode": secret, "Session": session}
    bearer = read_bearer(call, _needed(request, "AccessToken"))
    _check_pool(bearer.pool)
    secret = base64.b32encode(clock.token_bytes(_SECRET_BYTES)).decode("ascii")

    def keep(tx: Tx) -> None:
        user = user_of(call, tx, bearer)
        queries.put_user(tx, call.seal, replace(user, secrets=replace(user.secrets, pending_totp=secret)))

    await call.write(keep)
    return {"SecretCode": secret}


async def verify_software_token(call: Call, request: Shape) -> Shape:
    """VerifySoftwareToken: the app's first code proves that it has the secret."""
    code, device_name = request["UserCode"], request.get("FriendlyDeviceName", "")
    if "Session" in request and "AccessToken" not in request:
        desk = await _desk_of_session(call, request["Session"])
        session = await verify_totp(desk, request["Session"], code, device_name)
        return {"Status": "SUCCESS", "Session": session}
    bearer = read_bearer(call, _needed(request, "AccessToken"))

    def verify(tx: Tx) -> bool:
        user = user_of(call, tx, bearer)
        pending = user.secrets.pending_totp
        if pending is None:
            raise AwsError("SoftwareTokenMFANotFoundException", "Software token MFA has not been associated.")
        step = find_totp_step(pending, code, 0)
        if step is None:
            return False
        secrets = replace(user.secrets, totp=pending, pending_totp=None)
        changed = replace(user, secrets=secrets, totp_step=step, totp_name=device_name, modified_at=call.now)
        queries.put_user(tx, call.seal, changed)
        return True

    if not await call.write(verify):
        raise AwsError("EnableSoftwareTokenMFAException", "Code mismatch")
    return {"Status": "SUCCESS"}


def set_user_mfa_preference(call: Call, request: Shape) -> Shape:
    """SetUserMFAPreference."""
    bearer = read_bearer(call, request["AccessToken"])
    user = user_of(call, call.tx, bearer)
    queries.put_user(call.tx, call.seal, _with_preference(bearer.pool, user, request, call.now))
    return {}


def admin_set_user_mfa_preference(call: Call, request: Shape) -> Shape:
    """AdminSetUserMFAPreference."""
    pool = pool_of_operator(call, request["UserPoolId"])
    user = get_user_for_operator(call, call.tx, pool, request["Username"])
    queries.put_user(call.tx, call.seal, _with_preference(pool, user, request, call.now))
    return {}


def admin_delete_software_token(call: Call, request: Shape) -> Shape:
    """AdminDeleteSoftwareToken: the app's codes count no more."""
    pool = pool_of_operator(call, request["UserPoolId"])
    user = get_user_for_operator(call, call.tx, pool, request["Username"])
    mfa = tuple(factor for factor in user.mfa if factor != SOFTWARE_TOKEN_MFA)
    changed = replace(
        user,
        secrets=replace(user.secrets, totp=None, pending_totp=None),
        mfa=mfa,
        preferred_mfa=user.preferred_mfa if user.preferred_mfa in mfa else "",
        totp_name="",
        modified_at=call.now,
    )
    queries.put_user(call.tx, call.seal, changed)
    return {}


def _with_preference(pool: PoolView, user: User, request: Shape, now: float) -> User:
    """The user with factors on and off as asked for; what the request does not name stays.

    Where MFA is required none is turned off: the request is taken and only says what is preferred, as on AWS.
    Raises InvalidParameterException: a factor that the user does not have, two that are preferred.
    """
    if request.get("WebAuthnMfaSettings", {}).get("Enabled"):
        raise refusals.invalid("User does not have a passkey to turn on WebAuthn MFA")  # there are none here
    on, preferred = set(user.mfa), user.preferred_mfa
    wanted = [kind for name, kind in _SETTINGS if request.get(name, {}).get("PreferredMfa")]
    if len(wanted) > 1:
        raise refusals.invalid("Only one MFA method can be preferred.")
    for name, kind in _SETTINGS:
        setting = request.get(name)
        if setting is None:
            continue
        is_on = setting.get("Enabled", kind in on)
        if is_on and not has_means(user, kind):
            raise refusals.invalid(f"User does not have delivery config set to turn on {kind}")
        if setting.get("PreferredMfa") and not is_on:
            raise refusals.invalid(f"{kind} cannot be preferred while it is not enabled")
        if is_on:
            on.add(kind)
        elif not is_required(pool.document):
            on.discard(kind)
        if preferred == kind and (kind not in on or setting.get("PreferredMfa") is False):
            preferred = ""
    if wanted:
        preferred = wanted[0]
    mfa = tuple(kind for _, kind in _SETTINGS if kind in on)
    return replace(user, mfa=mfa, preferred_mfa=preferred, modified_at=now)


def _needed(request: Shape, name: str) -> str:
    value = request.get(name)
    if not value:
        raise refusals.invalid(f"Missing required parameter {name}")
    return str(value)


def _check_pool(pool: PoolView) -> None:
    """Raises SoftwareTokenMFANotFoundException for a pool without authenticator apps."""
    config = (pool.document.get("MfaConfig") or {}).get("SoftwareTokenMfaConfiguration") or {}
    if not config.get("Enabled"):
        raise AwsError("SoftwareTokenMFANotFoundException", "Software Token MFA has not been enabled by the userPool.")


async def _desk_of_session(call: Call, session: str) -> Desk:
    """Where the sign-in goes on that this session is of. Raises NotAuthorizedException."""
    waiting = await call.read(lambda tx: sign_ins.find_challenge(tx, call.seal, digest_of(session)))
    found = None if waiting is None else view_of(call).find_client(waiting.client_id, None)
    if waiting is None or found is None:
        raise refusals.invalid_session()
    client, pool = found
    return open_desk(
        pool, client, call.ports, call.store, call.seal, via="Authentication", address=call.peer, settings=call.settings
    )
