"""Admin keys and sessions: what the view knows, what is sealed, what is never shown."""

import pytest

from scopegate.account import keys, queries, sessions
from scopegate.aws.sigv4 import SignatureRefused
from scopegate.base import clock
from scopegate.store.sealing import Sealer
from tests.rooms.aws.plane import ROLE_ARN, Plane


def test_a_new_key_is_known_at_once_and_forgotten_when_revoked(plane: Plane) -> None:
    assert not plane.write(keys.any_key)
    key = plane.admin_key()

    known = plane.view.find_access_key(key.access_key_id, None)
    assert known is not None
    assert known.secret == key.secret
    assert known.caller.arn == "arn:aws:iam::000000000000:user/admin"
    assert plane.write(keys.any_key)
    assert [row.user_name for row in plane.write(keys.list_keys)] == ["admin"]

    assert plane.write(lambda tx: keys.revoke_key(tx, key.access_key_id))
    with pytest.raises(SignatureRefused):
        plane.view.find_access_key(key.access_key_id, None)
    assert not plane.write(lambda tx: keys.revoke_key(tx, key.access_key_id))


def test_a_key_has_the_form_of_awss_own(plane: Plane) -> None:
    key = plane.admin_key()

    assert len(key.access_key_id) == 20
    assert key.access_key_id.startswith("AKIA")
    assert len(key.secret) == 40


def test_secrets_are_sealed_at_rest_and_in_no_repr(plane: Plane) -> None:
    key = plane.admin_key()
    found = plane.write(lambda tx: queries.find_key(tx, key.access_key_id))

    assert found is not None
    assert key.secret not in found[1]
    assert key.secret.decode() not in repr(key) + repr(plane.view) + repr(plane.view.key_by_id)
    session = plane.session()
    assert session.secret.decode() not in repr(session)
    assert str(session.session_token) not in repr(session)


def test_a_session_is_proven_by_any_process_with_the_master_key(plane: Plane) -> None:
    """Design: each environment has a session of its role."""
    session = sessions.mint_session(plane.seal, ROLE_ARN, "orders")
    elsewhere = sessions.get_session(Sealer(bytes(range(32))), session.access_key_id, session.session_token)

    assert elsewhere == session
    assert session.caller.arn == "arn:aws:sts::000000000000:assumed-role/orders/orders"
    assert session.caller.session is not None
    assert session.caller.session.role_arn == ROLE_ARN
    assert session.expires_at is not None
    assert 0 < session.expires_at - clock.real_now() <= 43_200
    assert len(session.access_key_id) == 20
    assert session.access_key_id.startswith("ASIA")


def test_a_session_of_another_master_key_is_refused(plane: Plane) -> None:
    session = sessions.mint_session(Sealer(bytes(32)), ROLE_ARN, "orders")

    with pytest.raises(SignatureRefused):
        plane.view.find_access_key(session.access_key_id, session.session_token)


@pytest.mark.parametrize("token", [None, "", "abc", "!" * 10, "A" * 10_000, "é"])
def test_a_session_without_its_token_is_refused(plane: Plane, token: str | None) -> None:
    session = sessions.mint_session(plane.seal, ROLE_ARN, "orders")

    with pytest.raises(SignatureRefused):
        plane.view.find_access_key(session.access_key_id, token)


@pytest.mark.parametrize("arn", ["", "arn:aws:iam::000000000000:user/u", "arn:aws:s3:::bucket", "orders"])
def test_only_roles_have_sessions(plane: Plane, arn: str) -> None:
    with pytest.raises(ValueError, match="not the ARN of a role"):
        sessions.mint_session(plane.seal, arn, "orders")


def test_a_role_that_is_here_lends_its_id_to_its_sessions(plane: Plane) -> None:
    """STS API reference, GetCallerIdentity: UserId is `RoleId:SessionName`."""
    trust = '{"Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}'
    role = plane.call("iam", "CreateRole", RoleName="orders", AssumeRolePolicyDocument=trust)["Role"]
    caller = plane.session().caller
    asked = plane.control.call("sts", "GetCallerIdentity", {}, region="us-east-1", caller=caller)

    assert plane.loop.run(asked)["UserId"] == f"{role['RoleId']}:orders"
