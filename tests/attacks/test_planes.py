"""Who may speak to which plane, attacked from outside: browsers, rebinding, proxies, functions, strangers.

Rows U3, U4, U5, G13, G15, O18, O24, O25 of the attack list; design, "Who may speak to which plane".
The refusals are held in both modes and both ways of running, for each has its own way to the control plane.
"""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from scopegate.base.limits import limit
from tests.operators import Production, wait_until
from tests.server import Server, allow_gateway, make_function, make_pool, start

POOLS = "AWSCognitoIdentityProviderService"


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start(("serve", "--dev", "--workers", "1"), tmp_path_factory.mktemp("workers"))
    yield running
    assert running.stop() == 0


class Plane:
    """A server and a key that it accepts; signs as an SDK does, and sends what it is told."""

    def __init__(self, server: Server, key: str, secret: str) -> None:
        self.server = server
        self.credentials = Credentials(key, secret)

    def signed(self, service: str, method: str, path: str, body: str = "", **headers: str) -> Any:
        """One signed request; `headers` go out beside the signature, `_` for `-`."""
        request = AWSRequest(method, self.server.url + path, data=body)
        if service == "cognito-idp":
            request.headers["X-Amz-Target"] = f"{POOLS}.ListUserPools"
            request.headers["Content-Type"] = "application/x-amz-json-1.1"
        elif body:
            request.headers["Content-Type"] = "application/x-www-form-urlencoded"
        SigV4Auth(self.credentials, service, "us-east-1").add_auth(request)
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.server.http(method, path, data=body, headers={**dict(request.headers.items()), **more})

    def each(self, **headers: str) -> list[int]:
        """The statuses of a call of each kind: JSON, REST-JSON, Query, this server's own API."""
        return [
            self.signed("cognito-idp", "POST", "/", '{"MaxResults":1}', **headers).status_code,
            self.signed("lambda", "GET", "/2015-03-31/functions", **headers).status_code,
            self.signed("apigateway", "GET", "/restapis", **headers).status_code,
            self.signed("iam", "POST", "/", "Action=ListRoles&Version=2010-05-08", **headers).status_code,
            self.signed("scopegate", "GET", "/_scopegate/api/overview", **headers).status_code,
        ]


@pytest.fixture(params=["development", "workers", "production"])
def plane(request: pytest.FixtureRequest) -> Plane:
    if request.param == "production":
        running: Production = request.getfixturevalue("production")
        return Plane(running.server, running.key.key_id, running.key.secret)
    server = request.getfixturevalue("server" if request.param == "development" else "workers")
    return Plane(server, "test", "test")


# U4: browsers


def test_u4_the_counterpart_an_sdk_is_answered(plane: Plane) -> None:
    """What follows is refused for its one fault."""
    assert plane.each() == [200] * 5


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
    ],
    ids=str,
)
def test_u4_a_browser_is_refused_even_with_a_good_signature(plane: Plane, headers: dict[str, str]) -> None:
    assert set(plane.each(**headers)) <= {400, 403}


def test_u4_the_servers_own_origin_is_no_better(plane: Plane) -> None:
    """Users' APIs serve their pages there."""
    for origin in (plane.server.url, f"http://localhost:{plane.server.port}", "http://scopegate.localhost"):
        assert set(plane.each(Origin=origin)) <= {400, 403}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_u4_what_a_form_can_send_changes_nothing(plane: Plane, content_type: str) -> None:
    """A CORS-simple POST: no header that would ask first, and so no signature. Query, REST-JSON, JSON alike."""
    server = plane.server
    sent = [
        ("/", "Action=CreateRole&Version=2010-05-08&RoleName=evil&AssumeRolePolicyDocument={}"),
        ("/?Action=CreateRole&Version=2010-05-08&RoleName=evil&AssumeRolePolicyDocument={}", ""),
        ("/restapis", '{"name":"evil"}'),
        ("/v2/apis", '{"name":"evil","protocolType":"HTTP"}'),
        ("/2015-03-31/functions", '{"FunctionName":"evil"}'),
        ("/_scopegate/api/stacks/evil", '{"template":"{}","parameters":{}}'),
        (f"/?X-Amz-Target={POOLS}.CreateUserPool", '{"PoolName":"evil"}'),
    ]

    statuses = [
        server.http("POST", path, data=body, headers={"Content-Type": content_type}).status_code for path, body in sent
    ]

    assert all(400 <= status < 500 for status in statuses), statuses


def test_u4_unsigned_operations_are_open_to_browsers_and_nothing_else_is(plane: Plane) -> None:
    """CORS answers exist for the unsigned cognito-idp operations alone; a preflight for a signature gets none."""
    server = plane.server

    def preflight(path: str, wanted: str) -> Any:
        headers = {"Origin": "https://app.example", "Access-Control-Request-Headers": wanted}
        return server.http("OPTIONS", path, headers={**headers, "Access-Control-Request-Method": "POST"})

    opened = preflight("/", "content-type,x-amz-target,x-amz-user-agent")
    unsigned = server.http(
        "POST",
        "/",
        data=json.dumps({"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": "a" * 26, "AuthParameters": {}}),
        headers={
            "Origin": "https://app.example",
            "X-Amz-Target": f"{POOLS}.InitiateAuth",
            "Content-Type": "application/x-amz-json-1.1",
        },
    )

    assert opened.headers["Access-Control-Allow-Origin"] == "*"
    assert unsigned.headers["Access-Control-Allow-Origin"] == "*"
    for refused in (
        preflight("/", "authorization,x-amz-target,x-amz-date"),
        preflight("/restapis", "authorization"),
        preflight("/_scopegate/api/overview", "authorization,x-amz-date"),
        plane.signed("cognito-idp", "POST", "/", '{"MaxResults":1}', Origin="https://app.example"),
    ):
        assert refused.status_code >= 400
        assert "Access-Control-Allow-Origin" not in refused.headers


# U4: DNS rebinding


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1.nip.io",
        "169.254.169.254",
        "0.0.0.0",
        "[::ffff:7f00:1]",
        "localhost:{port}@evil.example",
        "evil.example#localhost",
    ],
)
def test_u4_a_name_that_was_rebound_reaches_no_room(plane: Plane, host: str) -> None:
    """Whatever the path: control, tokens, APIs. Health answers any Host, for it says nothing."""
    server, host = plane.server, host.format(port=plane.server.port)

    for path in (
        "/",
        "/restapis",
        "/oauth2/token",
        "/_scopegate/api/overview",
        "/_aws/execute-api/a/b",
        "/_scopegate/",
    ):
        answer = server.http("GET", path, host=host)
        assert answer.status_code in (400, 421), path
        assert "evil" not in answer.text or "--public-host" in answer.text


def test_u4_two_hosts_or_another_in_the_target_are_refused(plane: Plane) -> None:
    for request in (
        b"GET /restapis HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET http://evil.example/restapis HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /restapis HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", plane.server.port), timeout=10) as connection:
            connection.sendall(request)
            assert connection.recv(4096).startswith((b"HTTP/1.1 400", b"HTTP/1.1 421"))


# U4: proxies


@pytest.mark.parametrize("header", ["X_Forwarded_For", "X_Forwarded_Proto", "X_Forwarded_Host", "Forwarded", "Via"])
def test_u4_behind_a_proxy_development_has_no_control_plane(
    server: Server, workers: Server, production: Production, header: str
) -> None:
    """A proxy on the same host makes everyone loopback; production, where signatures are proven, takes it."""
    for running in (server, workers):
        assert set(Plane(running, "test", "test").each(**{header: "for=192.0.2.7"})) <= {400, 403}
    key = production.key
    assert Plane(production.server, key.key_id, key.secret).each(**{header: "for=192.0.2.7"}) == [200] * 5


def test_u4_a_client_cannot_pretend_to_be_another_role(workers: Server, production: Production) -> None:
    """What an edge tells control of the client is the edge's word alone."""
    plane = Plane(workers, "test", "test")
    key = production.key

    assert plane.each(X_Scopegate_Peer="10.0.0.1 1 tls") == [200] * 5
    for path in ("/world?until=1", "/decisions", "/run", "/definitions", "/logs"):
        for method in ("GET", "POST"):
            assert production.server.http(
                method, path, headers={"x-scopegate-peer": "127.0.0.1 1 plain"}
            ).status_code in (
                400,
                403,
                404,
            )
    assert Plane(production.server, key.key_id, "wrong").each(X_Scopegate_Peer="127.0.0.1 1 plain") == [400, *[403] * 4]


# O25: signatures


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer abc",
        "Basic dGVzdDp0ZXN0",
        "AWS test:signature",
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/lambda/aws4_request",
    ],
    ids=["none", "empty", "bearer", "basic", "v2", "half"],
)
def test_o25_also_development_wants_a_header_that_no_page_can_send(
    server: Server, workers: Server, production: Production, authorization: str | None
) -> None:
    headers = {"X-Amz-Date": "20260101T000000Z", **({} if authorization is None else {"Authorization": authorization})}

    for running in (server, workers, production.server):
        answer = running.http("GET", "/2015-03-31/functions", headers=headers)
        assert answer.status_code == 403
        assert answer.headers["x-amzn-ErrorType"].endswith("Exception")


def test_o25_presigned_queries_are_proven_in_every_mode(server: Server, workers: Server) -> None:
    """A link in a mail would otherwise be a control call that a browser sends."""
    query = (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test%2F20260101%2Fus-east-1%2Flambda%2Faws4_request"
        f"&X-Amz-Date=20260101T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature={'0' * 64}"
    )

    for running in (server, workers):
        assert running.http("GET", f"/2015-03-31/functions?{query}").status_code == 403


def test_o25_an_old_signature_and_an_altered_request_are_refused(production: Production) -> None:
    """Over HTTP as it is received: body, query and target are part of what was signed."""
    server, key = production.server, production.key
    request = AWSRequest("GET", server.url + "/2015-03-31/functions")
    SigV4Auth(Credentials(key.key_id, key.secret), "lambda", "us-east-1").add_auth(request)
    headers = dict(request.headers.items())

    good = server.http("GET", "/2015-03-31/functions", headers=headers)
    altered = [
        server.http("GET", "/2015-03-31/functions?MaxItems=1", headers=headers),
        server.http("GET", "/2015-03-31/event-source-mappings", headers=headers),
        server.http("POST", "/2015-03-31/functions", headers=headers, data="{}"),
        server.http("GET", "/2015-03-31/functions", headers=headers, host="aws.example"),
        server.http("GET", "/2015-03-31/functions", headers={**headers, "X-Amz-Date": "20200101T000000Z"}),
        server.http("GET", "/2015-03-31/functions", headers={**headers, "X-Amz-Security-Token": "x"}),
    ]

    assert good.status_code == 200
    assert [answer.status_code for answer in altered] == [403] * len(altered)


# U5: functions


def test_u5_a_functions_session_reads_no_secret_and_rewrites_no_authorizer(
    server: Server, production: Production
) -> None:
    """By every service and by the server's own API; in development any *other* key would be accepted."""
    source = """
import json, os, urllib.request
import boto3
from botocore.exceptions import ClientError
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session

def attempt(call):
    try:
        call()
        return "done"
    except ClientError as error:
        return error.response["Error"]["Code"]

def own():
    request = AWSRequest("GET", os.environ["AWS_ENDPOINT_URL"] + "/_scopegate/api/overview")
    SigV4Auth(Session().get_credentials(), "scopegate", "us-east-1").add_auth(request)
    try:
        urllib.request.urlopen(urllib.request.Request(request.url, headers=dict(request.headers.items())))
        return "done"
    except urllib.error.HTTPError as error:
        return error.code

def handler(event, context):
    idp, api = boto3.client("cognito-idp"), boto3.client("apigateway")
    return {
        "secret": attempt(lambda: idp.describe_user_pool_client(UserPoolId=event["pool"], ClientId=event["client"])),
        "authorizer": attempt(lambda: api.create_authorizer(restApiId="a", name="b", type="TOKEN")),
        "code": attempt(lambda: boto3.client("lambda").get_function(FunctionName=context.function_name)),
        "role": attempt(lambda: boto3.client("iam").list_roles()),
        "own": own(),
    }
"""
    answers = []
    for running, aws in ((server, server.aws), (production.server, production.aws)):
        operated = Server(running.process, running.url, running.data_dir, running.clock_file)
        operated.aws = aws  # type: ignore[method-assign]
        pool = make_pool(operated)
        name = f"spy-{pool.domain}"
        make_function(operated, name, source, Timeout=60)
        event = {"pool": pool.pool_id, "client": pool.client()["ClientId"]}
        invoked = aws("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        answers.append(json.loads(invoked["Payload"].read()))

    denied = {
        "secret": "AccessDeniedException",
        "authorizer": "AccessDeniedException",
        "code": "AccessDeniedException",
        "role": "AccessDenied",
        "own": 403,
    }
    assert answers == [denied, denied]


def test_u5_a_function_cannot_drop_its_session_and_be_anybody(server: Server) -> None:
    """In development any key is taken at its word, but not one of this server's own sessions without its token."""
    source = (
        "import os\ndef handler(event, context):\n"
        "    return [os.environ['AWS_ACCESS_KEY_ID'], os.environ['AWS_SECRET_ACCESS_KEY']]\n"
    )
    make_function(server, "tells-its-key", source)
    key, secret = json.loads(server.aws("lambda").invoke(FunctionName="tells-its-key")["Payload"].read())

    with pytest.raises(ClientError) as refused:
        server.aws("iam", key=key, secret=secret).list_roles()

    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert key.startswith("ASIA")


# G15: the control plane from inside


def test_g15_an_integration_cannot_reach_this_servers_own_port(server: Server) -> None:
    """By any of the machine's addresses or names: behind an API, every caller would be loopback."""
    api = server.aws("apigatewayv2")
    addresses = {"127.0.0.1", "127.1.2.3", "localhost", "x.localhost", "[::1]", "[::ffff:127.0.0.1]", *_own_addresses()}
    answers = {}
    for address in addresses:
        api_id = api.create_api(
            Name="loop",
            ProtocolType="HTTP",
            RouteKey="GET /loop",
            Target=f"http://{address}:{server.port}/_scopegate/health",
        )["ApiId"]
        answer = server.http("GET", f"/_aws/execute-api/{api_id}/loop")
        answers[address] = (answer.status_code, "ready" in answer.text)

    assert set(answers.values()) <= {(500, False), (503, False)}, answers


def _own_addresses() -> set[str]:
    found = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent; the kernel chooses the address it would send from
            found.add(probe.getsockname()[0])
        except OSError:
            pass
    return found


# G13, O24: whose things


def test_g13_admin_paths_are_not_open_on_the_data_port(production: Production) -> None:
    """No default credential, nothing unsigned but what the model marks; unknown paths say no more than known ones."""
    server = production.server
    for path in ("/_scopegate/api/overview", "/_scopegate/api/decisions", "/_scopegate/api/stacks", "/restapis", "/"):
        assert server.http("GET", path).status_code == 403, path
    for path in ("/_scopegate/api/nothing", "/_scopegate/nothing", "/v2/nothing", "/2015-03-31/nothing"):
        assert server.http("GET", path).status_code in (403, 404), path
    sealed = server.http("PUT", "/_scopegate/api/artifacts/" + "0" * 64, data=b"x")
    assert sealed.status_code == 403


def test_o24_another_account_neither_sees_nor_changes(server: Server) -> None:
    """In development the key names the account; each family of operations, and the overview."""
    pool = make_pool(server)
    client = pool.client()
    function = make_function(server, "mine")
    api_id = server.aws("apigateway").create_rest_api(name="mine")["id"]
    http_id = server.aws("apigatewayv2").create_api(Name="mine", ProtocolType="HTTP")["ApiId"]

    def theirs(service: str, region: str = "us-east-1", key: str = "111111111111") -> Any:
        return server.aws(service, key=key, region=region)

    calls: list[Callable[[], Any]] = []
    for region, key in (("us-east-1", "111111111111"), ("eu-west-1", "test")):
        idp, lambda_ = theirs("cognito-idp", region, key), theirs("lambda", region, key)
        api, http = theirs("apigateway", region, key), theirs("apigatewayv2", region, key)
        names = {"UserPoolId": pool.pool_id, "ClientId": client["ClientId"]}
        calls += [
            lambda idp=idp, names=names: idp.describe_user_pool_client(**names),
            lambda idp=idp, names=names: idp.delete_user_pool_client(**names),
            lambda idp=idp: idp.delete_user_pool(UserPoolId=pool.pool_id),
            lambda lambda_=lambda_: lambda_.get_function(FunctionName="mine"),
            lambda lambda_=lambda_: lambda_.invoke(FunctionName="mine"),
            lambda api=api: api.get_rest_api(restApiId=api_id),
            lambda api=api: api.delete_rest_api(restApiId=api_id),
            lambda http=http: http.get_api(ApiId=http_id),
            lambda http=http: http.delete_api(ApiId=http_id),
        ]
    for call in calls:
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403, 404)
    assert theirs("lambda").list_functions()["Functions"] == []
    assert theirs("cognito-idp").list_user_pools(MaxResults=1)["UserPools"] == []
    overview = Plane(server, "111111111111", "x").signed("scopegate", "GET", "/_scopegate/api/overview").text
    for name in (pool.pool_id, client["ClientId"], function, api_id, http_id):
        assert name not in overview, name
    assert server.token(client).status_code == 200


def test_o24_a_custom_domain_takes_no_name_of_this_server(server: Server) -> None:
    """Whoever may make one pool must not make the server unreachable for the others."""
    pool = make_pool(server)
    idp = server.aws("cognito-idp")
    for name in ("127.0.0.1", "localhost", "lambda.us-east-1.amazonaws.com", "scopegate.localhost"):
        try:
            idp.create_user_pool_domain(
                Domain=name,
                UserPoolId=pool.pool_id,
                CustomDomainConfig={"CertificateArn": f"arn:aws:acm:us-east-1:000000000000:certificate/{'0' * 36}"},
            )
        except ClientError:
            continue

    assert server.aws("lambda").list_functions()["ResponseMetadata"]["HTTPStatusCode"] == 200
    answer = server.http("GET", "/2015-03-31/functions", host="lambda.us-east-1.amazonaws.com")
    assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"


# O18: names from outside


def test_o18_links_and_issuers_come_from_configuration(plane: Plane) -> None:
    """Neither Host nor what a proxy says of it changes a document, a token or a redirect."""
    server = plane.server
    aws = plane.credentials
    idp = server.aws("cognito-idp", key=aws.access_key, secret=aws.secret_key)
    pool_id = idp.create_user_pool(PoolName="links")["UserPool"]["Id"]
    path = f"/{pool_id}/.well-known/openid-configuration"
    poisons: list[dict[str, str]] = [
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Proto": "javascript"},
        {"Forwarded": 'host="evil.example";proto=https'},
        {"X-Original-Host": "evil.example"},
        {"X-Forwarded-Prefix": "/evil"},
    ]

    clean = server.http("GET", path)
    poisoned = [server.http("GET", path, headers=headers) for headers in poisons]
    by_host = server.http("GET", path, host="cognito-idp.us-east-1.amazonaws.com")

    assert clean.json()["issuer"] == f"https://cognito-idp.us-east-1.amazonaws.com/{pool_id}"
    assert clean.json()["token_endpoint"].startswith(f"http://localhost:{server.port}/")
    assert {answer.text for answer in (*poisoned, by_host)} == {clean.text}


# G9: addresses from outside


def test_g9_an_invented_address_opens_no_throttle_and_stands_in_no_log(production: Production) -> None:
    """Guessing a secret is throttled by the address of the connection, whatever a header says of it (also O15)."""
    server = production.server
    pool_id = production.aws("cognito-idp").create_user_pool(PoolName="guessed")["UserPool"]["Id"]
    made = production.aws("cognito-idp").create_user_pool_client(
        UserPoolId=pool_id, ClientName="guessed", GenerateSecret=True
    )["UserPoolClient"]
    statuses = []
    for number in range(30):
        invented = {
            "X-Forwarded-For": f"192.0.2.{number}",
            "X-Real-IP": f"192.0.2.{number}",
            "Forwarded": f"for=192.0.2.{number}",
        }
        statuses.append(
            server.http(
                "POST",
                f"/{pool_id}/oauth2/token",
                data={"grant_type": "client_credentials"},
                auth=(made["ClientId"], f"guess-{number}"),
                headers=invented,
            ).status_code
        )

    def logged() -> list[dict[str, Any]]:
        text = (server.data_dir / "log" / "access.jsonl").read_text()
        return [line for line in map(json.loads, text.splitlines()) if line["path"].startswith(f"/{pool_id}/oauth2")]

    assert statuses[:20] == [400] * 20
    assert 429 in statuses[20:]
    wait_until(lambda: len(logged()) == 30)
    assert {line["peer"] for line in logged()} == {"127.0.0.1"}


# U3: time


def test_u3_a_clock_that_jumps_back_revives_no_token(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """A token that was refused as expired stays refused where the clock is right; one of a deleted client always."""
    server = start_server("serve", "--dev")
    pool = make_pool(server)
    client = pool.client(AccessTokenValidity=5, TokenValidityUnits={"AccessToken": "minutes"})
    api = server.aws("apigatewayv2")
    function = make_function(server, "clock")
    api_id = api.create_api(Name="clock", ProtocolType="HTTP")["ApiId"]
    authorizer = api.create_authorizer(
        ApiId=api_id,
        Name="jwt",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": pool.issuer, "Audience": [client["ClientId"]]},
    )["AuthorizerId"]
    integration = api.create_integration(
        ApiId=api_id, IntegrationType="AWS_PROXY", IntegrationUri=function, PayloadFormatVersion="2.0"
    )["IntegrationId"]
    api.create_route(
        ApiId=api_id,
        RouteKey="GET /clock",
        Target=f"integrations/{integration}",
        AuthorizationType="JWT",
        AuthorizerId=authorizer,
        AuthorizationScopes=["orders/read"],
    )
    api.create_stage(ApiId=api_id, StageName="$default", AutoDeploy=True)
    allow_gateway(server, function, api_id)

    def call(token: str) -> int:
        return server.http(
            "GET", f"/_aws/execute-api/{api_id}/clock", headers={"Authorization": f"Bearer {token}"}
        ).status_code

    token = server.token(client).json()["access_token"]
    statuses = [call(token)]
    for seconds in (301, -600):
        server.turn_clock(seconds)
        statuses.append(call(token))
    assert statuses[:2] == [200, 401]
    server.aws("cognito-idp").delete_user_pool_client(UserPoolId=pool.pool_id, ClientId=client["ClientId"])
    wait_until(lambda: call(token) == 401, seconds=1)
    server.turn_clock(300)

    assert call(token) == 401


@pytest.mark.parametrize("path", [f"/_scopegate/api/artifacts/{'0' * 64}", "/2015-03-31/functions"])
def test_h5_whoever_knows_no_key_is_not_waited_for_with_a_long_body(production: Production, path: str) -> None:
    """Code may be long, and its signature is proven when it is there: till then it lies in a file."""
    service = "scopegate" if "_scopegate" in path else "lambda"
    method = "PUT" if "_scopegate" in path else "POST"
    announced = limit("aws.body_bytes") + 1

    def first_line(access_key_id: str) -> bytes:
        scope = f"{access_key_id}/20261101/us-east-1/{service}/aws4_request"
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: localhost:{production.server.port}\r\n"
            f"Authorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}\r\n"
            f"X-Amz-Date: 20261101T000000Z\r\nContent-Length: {announced}\r\nExpect: 100-continue\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", production.server.port), timeout=10) as client:
            client.sendall(head.encode())
            return client.recv(65_536).partition(b"\r\n")[0]

    assert first_line("AKIAIOSFODNN7EXAMPLE").startswith(b"HTTP/1.1 413")
    assert first_line(production.key.key_id) == b"HTTP/1.1 100 Continue"
