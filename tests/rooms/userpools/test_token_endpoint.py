"""POST /oauth2/token: what is handed out, and every refusal with its status, body and headers.

Source: reference, POST /oauth2/token; RFC 6749.
"""

import base64
import json
import re

import pytest

from scopegate.userpools import queries
from tests.rooms.userpools.driver import CLIENT, FORM, MACHINE, SECRET, Answer, World, basic

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def test_the_answer_has_three_members_in_cognito_s_order_and_nothing_else(world: World) -> None:
    answer = world.post_token({"scope": "orders/read"})

    assert answer.status == 200
    assert re.fullmatch(
        rb'\{"access_token":"[\w-]+\.[\w-]+\.[\w-]+","expires_in":3600,"token_type":"Bearer"\}', answer.body, re.ASCII
    )


def test_the_answer_has_cognito_s_headers(world: World) -> None:
    answer = world.post_token()

    request_id = answer.header("x-amz-cognito-request-id")
    assert request_id is not None
    assert re.fullmatch(UUID, request_id)
    assert [pair for pair in answer.headers if pair[0] != "x-amz-cognito-request-id"] == [
        ("Content-Type", "application/json"),
        ("Access-Control-Allow-Origin", "*"),
        ("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate"),
        ("Pragma", "no-cache"),
        ("Expires", "0"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-XSS-Protection", "1; mode=block"),
        ("X-Frame-Options", "DENY"),
        ("Strict-Transport-Security", "max-age=31536000 ; includeSubDomains"),
        ("Server", "Server"),
    ]


def test_the_token_has_cognito_s_claims_in_cognito_s_order(world: World) -> None:
    """Reference, access token, column client_credentials: no `aud`, no `username`, `auth_time` is `iat`."""
    claims = world.claims(world.post_token({"scope": "orders/write orders/read"}))

    issued_at = claims["iat"]
    assert list(claims.items()) == [
        ("sub", CLIENT),
        ("token_use", "access"),
        ("scope", "orders/write orders/read"),
        ("auth_time", issued_at),
        ("iss", "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_AbCdEf123"),
        ("exp", issued_at + 3600),
        ("iat", issued_at),
        ("version", 2),
        ("jti", claims["jti"]),
        ("client_id", CLIENT),
    ]
    assert re.fullmatch(UUID, claims["jti"])


def test_access_tokens_are_signed_by_the_access_key(world: World) -> None:
    header = json.loads(base64.urlsafe_b64decode(world.post_token().json["access_token"].split(".")[0] + "=="))

    pool = world.view.pool_by_id["us-east-1_AbCdEf123"]
    assert header == {"kid": pool.access_key.kid, "alg": "RS256"}
    assert pool.access_key.kid != pool.id_key.kid


def test_each_token_has_a_jti_of_its_own(world: World) -> None:
    jtis = {world.claims(world.post_token())["jti"] for _ in range(5)}

    assert len(jtis) == 5


def test_credentials_may_stand_in_the_body(world: World) -> None:
    answer = world.post_token({"client_id": CLIENT, "client_secret": SECRET}, auth=b"")

    assert world.claims(answer)["client_id"] == CLIENT


def test_the_client_id_may_stand_in_the_body_beside_basic_credentials(world: World) -> None:
    assert world.post_token({"client_id": CLIENT}).status == 200


@pytest.mark.parametrize("scheme", [b"basic", b"BASIC"])
def test_the_scheme_is_read_in_any_case(world: World, scheme: bytes) -> None:
    assert world.post_token(auth=basic(CLIENT, SECRET).replace(b"Basic", scheme)).status == 200


@pytest.mark.parametrize("content_type", [FORM + b";charset=UTF-8", FORM.upper(), FORM + b" ; charset=utf-8"])
def test_the_content_type_may_have_parameters_and_any_case(world: World, content_type: bytes) -> None:
    assert world.post_token(content_type=content_type).status == 200


def test_both_of_two_live_secrets_are_good_and_a_deleted_one_is_not() -> None:
    world = World()
    world.client(world.pool(), CLIENT, "a" * 52, "b" * 52)

    assert [world.post_token(auth=basic(CLIENT, secret * 52)).status for secret in "ab"] == [200, 200]

    queries.delete_secret(world.tx, CLIENT, f"{CLIENT}--0")
    world.catch_up()
    assert [world.post_token(auth=basic(CLIENT, secret * 52)).status for secret in "ab"] == [400, 200]


def test_the_lifetime_is_the_client_s() -> None:
    world = World()
    world.client(world.pool(), CLIENT, **MACHINE, AccessTokenValidity=7, TokenValidityUnits={"AccessToken": "minutes"})

    answer = world.post_token()

    claims = world.claims(answer)
    assert (answer.json["expires_in"], claims["exp"] - claims["iat"]) == (420, 420)


def test_client_metadata_is_taken_and_not_shown(world: World) -> None:
    claims = world.claims(world.post_token({"aws_client_metadata": '{"tenant":"a"}'}))

    assert "tenant" not in claims


def test_resource_is_ignored(world: World) -> None:
    """Reference: `resource` is not a parameter of this endpoint; a machine's token never gets `aud`."""
    assert "aud" not in world.claims(world.post_token({"resource": "https://api.example.com"}))


def test_unknown_parameters_are_ignored(world: World) -> None:
    assert world.post_token({"audience": "x", "foo": "bar"}).status == 200


def test_the_client_is_found_through_its_pool_and_on_a_bare_host(world: World) -> None:
    pool = world.view.pool_by_id["us-east-1_AbCdEf123"]

    assert [world.post_token(pool=named).status for named in (pool, None)] == [200, 200]


# Scopes


def granted(world: World, scope: str | None) -> str:
    return world.claims(world.post_token({} if scope is None else {"scope": scope}))["scope"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        pytest.param(None, "orders/read orders/write", id="absent-means-all"),
        pytest.param("orders/write", "orders/write", id="one"),
        pytest.param("orders/write orders/read", "orders/write orders/read", id="as-asked"),
        pytest.param("orders/read orders/read", "orders/read", id="once-each"),
    ],
)
def test_the_token_has_the_scopes_that_were_asked_for(world: World, scope: str | None, expected: str) -> None:
    assert granted(world, scope) == expected


def test_scopes_since_deleted_are_dropped(world: World) -> None:
    world.resource_server("us-east-1_AbCdEf123", "orders", ["write"])

    assert granted(world, None) == "orders/write"
    assert granted(world, "orders/read orders/write") == "orders/write"
    assert world.post_token({"scope": "orders/read"}).error == (400, {"error": "invalid_scope"})


def test_standard_scopes_of_a_client_are_not_for_machines() -> None:
    world = World()
    world.client(world.pool(), CLIENT, **{**MACHINE, "AllowedOAuthScopes": ["openid", "orders/read"]})

    assert granted(world, None) == "orders/read"
    assert world.post_token({"scope": "openid"}).error == (400, {"error": "invalid_scope"})


def test_a_scope_whose_identifier_is_a_url_is_granted() -> None:
    """An identifier may hold slashes: the scope's name follows the last one."""
    world = World()
    pool = world.pool()
    world.resource_server(pool, "https://api.example.com", ["read"])
    world.client(pool, CLIENT, **{**MACHINE, "AllowedOAuthScopes": ["https://api.example.com/read"]})

    assert granted(world, "https://api.example.com/read") == "https://api.example.com/read"


def test_a_client_without_any_custom_scope_gets_invalid_scope() -> None:
    world = World()
    world.client(world.pool(), CLIENT, **{**MACHINE, "AllowedOAuthScopes": ["openid"]})

    assert world.post_token().error == (400, {"error": "invalid_scope"})


# Refusals


def refused(answer: Answer, code: str, status: int = 400) -> None:
    assert answer.error == (status, {"error": code})
    assert answer.header("Content-Type") == "application/json;charset=UTF-8"
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("Cache-Control") == "no-cache, no-store, max-age=0, must-revalidate"
    assert answer.header("x-amz-cognito-request-id")
    assert answer.header("WWW-Authenticate") is None


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "PATCH", "post"])
def test_other_methods_get_405_and_are_told_post(world: World, method: str) -> None:
    answer = world.post_token(method=method)

    refused(answer, "invalid_request", 405)
    assert answer.header("Allow") == "POST"


def test_a_preflight_is_answered_for_any_origin(world: World) -> None:
    answer = world.send(
        b"",
        (b"Origin", b"https://app.example"),
        (b"Access-Control-Request-Headers", b"authorization,x-a"),
        method="OPTIONS",
    )

    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("Access-Control-Allow-Origin") == "*"
    assert answer.header("Access-Control-Allow-Methods") == "POST"
    assert answer.header("Access-Control-Allow-Headers") == "authorization,x-a"
    assert answer.header("Access-Control-Allow-Credentials") is None


@pytest.mark.parametrize(
    "content_type",
    [b"", b"application/json", b"text/plain", b"multipart/form-data; boundary=x", b"application/x-www-form"],
)
def test_other_content_types_are_refused(world: World, content_type: bytes) -> None:
    refused(world.post_token(content_type=content_type), "invalid_request")


def test_a_missing_or_repeated_content_type_is_refused(world: World) -> None:
    body, auth = b"grant_type=client_credentials", (b"Authorization", basic(CLIENT, SECRET))

    refused(world.send(body, auth), "invalid_request")
    refused(world.send(body, auth, (b"Content-Type", FORM), (b"Content-Type", FORM)), "invalid_request")


@pytest.mark.parametrize("body", [b"", b"scope=orders%2Fread", b"grant_type=", b"grant_type", b"&&&", b"GRANT_TYPE=x"])
def test_a_request_without_grant_type_is_refused(world: World, body: bytes) -> None:
    refused(world.post_token(body), "invalid_request")


@pytest.mark.parametrize(
    "grant_type",
    [
        "password",
        "implicit",
        "CLIENT_CREDENTIALS",
        "client_credentials ",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ],
)
def test_another_grant_is_unsupported_also_for_nobody(world: World, grant_type: str) -> None:
    """Order of checks: the grant is looked at before the client."""
    refused(world.post_token({"grant_type": grant_type}), "unsupported_grant_type")
    refused(world.post_token({"grant_type": grant_type}, auth=b""), "unsupported_grant_type")


@pytest.mark.parametrize(
    "metadata", ["", "{", "[]", '"text"', '{"a":1}', '{"a":null}', '{"a":{}}', '{"a":"' + "x" * 33_000 + '"}']
)
def test_client_metadata_that_is_no_object_of_strings_is_refused(world: World, metadata: str) -> None:
    refused(world.post_token({"aws_client_metadata": metadata}), "invalid_request")


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({**MACHINE, "AllowedOAuthFlowsUserPoolClient": False}, id="oauth-is-off"),
        pytest.param({**MACHINE, "AllowedOAuthFlows": ["code"]}, id="another-flow"),
        pytest.param({"AllowedOAuthScopes": ["orders/read"]}, id="no-flow-at-all"),
    ],
)
def test_a_client_without_the_flow_gets_invalid_grant(document: dict[str, object]) -> None:
    """The commonest surprise of machine clients; RFC 6749 would say unauthorized_client."""
    world = World()
    world.client(world.pool(), CLIENT, **document)

    refused(world.post_token(), "invalid_grant")


def test_a_client_without_a_secret_gets_no_machine_token() -> None:
    world = World()
    world.public_client(world.pool(), CLIENT)

    refused(world.post_token({"client_id": CLIENT}, auth=b""), "invalid_client")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({"grant_type": "authorization_code"}, "invalid_request", id="no-code"),
        pytest.param({"grant_type": "authorization_code", "code": "x"}, "invalid_request", id="no-redirect-uri"),
        pytest.param(
            {"grant_type": "authorization_code", "code": "x", "redirect_uri": "https://a"},
            "invalid_grant",
            id="unknown-code",
        ),
        pytest.param({"grant_type": "refresh_token"}, "invalid_request", id="no-refresh-token"),
        pytest.param(
            {"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_grant", id="unknown-refresh-token"
        ),
    ],
)
def test_codes_and_refresh_tokens_are_unknown(fields: dict[str, str], code: str) -> None:
    world = World()
    world.client(world.pool(), CLIENT, **{**MACHINE, "AllowedOAuthFlows": ["code"]})

    refused(world.post_token(fields), code)


def test_a_machine_client_redeems_no_code(world: World) -> None:
    refused(world.post_token({"grant_type": "authorization_code", "code": "x"}), "invalid_grant")


def test_a_client_without_refresh_is_unauthorized() -> None:
    world = World()
    world.client(world.pool(), CLIENT, **MACHINE, ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH"])

    refused(world.post_token({"grant_type": "refresh_token", "refresh_token": "x"}), "unauthorized_client")


def test_a_client_with_rotation_may_refresh() -> None:
    world = World()
    world.client(
        world.pool(),
        CLIENT,
        **MACHINE,
        ExplicitAuthFlows=["ALLOW_USER_SRP_AUTH"],
        RefreshTokenRotation={"Feature": "ENABLED"},
    )

    refused(world.post_token({"grant_type": "refresh_token", "refresh_token": "x"}), "invalid_grant")


def test_the_account_s_quota_binds_only_when_asked_for() -> None:
    """Cognito: 150 client authentications a second per account and Region."""
    free, bound = World(), World(aws_quotas=True)
    for world in (free, bound):
        world.client(world.pool(), CLIENT, **{**MACHINE, "AllowedOAuthScopes": ["orders/none"]})  # costs no signature

    statuses = {
        name: [world.post_token().status for _ in range(400)] for name, world in (("free", free), ("bound", bound))
    }

    assert set(statuses["free"]) == {400}
    assert statuses["bound"][:150] == [400] * 150
    assert 429 in statuses["bound"]


def test_a_throttled_request_says_so(world: World) -> None:
    world = World(aws_quotas=True)
    world.client(world.pool(), CLIENT, **{**MACHINE, "AllowedOAuthScopes": ["orders/none"]})
    answers = [world.post_token() for _ in range(400)]

    throttled = next(answer for answer in answers if answer.status == 429)

    assert throttled.json == {"error": "TooManyRequestsException", "error_description": "Rate exceeded"}


# The decision record


def test_an_issued_token_leaves_a_record(world: World) -> None:
    answer = world.post_token({"scope": "orders/read"})

    record = world.record.as_dict()
    claims = world.claims(answer)
    assert (record["kind"], record["decision"], record["status"]) == ("token", "ALLOW", 200)
    assert record["requestId"] == answer.header("x-amz-cognito-request-id")
    assert (record["clientId"], record["jti"]) == (CLIENT, claims["jti"])
    assert (record["scopesWanted"], record["scopesHeld"]) == (["orders/read"], ["orders/read"])
    assert [step["name"] for step in record["steps"]] == ["token requested", "token issued"]
    assert record["facts"]["userPoolId"] == "us-east-1_AbCdEf123"


def test_a_refused_token_leaves_a_record_with_its_reason(world: World) -> None:
    answer = world.post_token({"scope": "orders/delete"})

    record = world.record.as_dict()
    assert (record["decision"], record["status"], record["jti"]) == ("DENY", 400, "")
    assert record["requestId"] == answer.header("x-amz-cognito-request-id")
    assert record["reason"] == "the client does not allow a scope that was asked for"
    assert record["facts"]["error"] == "invalid_scope"
    assert (record["clientId"], record["scopesWanted"], record["scopesHeld"]) == (CLIENT, ["orders/delete"], [])
    assert [step["step"] for step in record["steps"]] == [1]


def test_a_secret_in_the_wrong_field_does_not_end_up_in_the_record(world: World) -> None:
    world.post_token({"client_id": SECRET, "client_secret": CLIENT}, auth=b"")

    record = json.dumps(world.record.as_dict())
    assert world.record.reason == "no app client here has this id"
    assert SECRET not in record


# What is not built yet


@pytest.mark.parametrize("path", ["/oauth2/register"])
def test_machine_endpoints_that_are_not_built_say_so(world: World, path: str) -> None:
    answer = world.send(target=path.encode())

    assert (answer.status, answer.json["error"]) == (501, "unsupported_operation")
    assert "not built yet" in answer.json["error_description"]


@pytest.mark.parametrize(
    "path", ["/.well-known/jwks.json", "/.well-known/openid-configuration", "/us-east-1_A/.well-known/jwks.json"]
)
def test_the_oauth_host_has_no_issuer_documents(world: World, path: str) -> None:
    """Reference: HTTP 400 with a page."""
    answer = world.send(method="GET", target=path.encode())

    assert (answer.status, answer.header("Content-Type")) == (400, "text/html;charset=UTF-8")


@pytest.mark.parametrize("path", ["/oauth2/tokens", "/oauth2/token/", "/oauth2/userinfo", "/"])
def test_other_paths_are_not_found(world: World, path: str) -> None:
    assert world.send(target=path.encode()).status == 404


def test_tokens_of_two_pools_have_keys_and_issuers_of_their_own(world: World) -> None:
    world.client(world.pool("us-east-1_Other1234"), "otherclient")

    claims = world.claims(world.post_token(auth=basic("otherclient", SECRET)))

    pools = world.view.pool_by_id
    assert claims["iss"].endswith("/us-east-1_Other1234")
    assert set(pools["us-east-1_Other1234"].keys).isdisjoint(pools["us-east-1_AbCdEf123"].keys)
