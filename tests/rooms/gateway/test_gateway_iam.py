"""AWS_IAM methods and routes of a real server: who is let through, what is answered, what a backend is told.

Source: reference, "REST: NONE, AWS_IAM", "REST: resource policy" (tables A and B), "HTTP: AWS_IAM", "IAM in 2.0".
"""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from scopegate.aws.operations import Caller
from scopegate.ports import AccessKey
from tests.operators import scopegate, wait_until
from tests.rooms.gateway.driver import HOST, Gateway, lambda_method
from tests.server import ACCOUNT, REGION, Server, allow_gateway, make_function
from tests.signing import Signer, operator_of, session_of
from tests.wire.gateways import Answer, HttpApi, RestApi, call, serving_web

IAM = {"authorizationType": "AWS_IAM"}


def signed(api: "RestApi | HttpApi", by: Signer, method: str, target: str, **more: Any) -> Answer:
    """A call in host form."""
    body, headers = more.get("body", b""), more.get("headers")
    return call(api.server, method, target, by.headers(method, api.host, target, body, headers), body, host=api.host)


def allow(resource: str, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource, **more}


@pytest.fixture(scope="module")
def function(server: Server) -> str:
    return make_function(server, "iam-echo")


@pytest.fixture(scope="module")
def rest(server: Server, function: str) -> RestApi:
    """GET and POST /o, GET /any/{proxy+}: a function that answers with its event, for AWS_IAM."""
    api = RestApi(server)
    for verb, path in (("GET", "/o"), ("POST", "/o"), ("GET", "/any/{proxy+}")):
        api.function(verb, path, function, **IAM)
    api.function("GET", "/open", function)
    api.deploy()
    allow_gateway(server, "iam-echo", api.id)
    return api


@pytest.fixture(scope="module")
def http(server: Server, function: str) -> HttpApi:
    api = HttpApi(server)
    api.function("GET /o", function, AuthorizationType="AWS_IAM")
    api.function("GET /old", function, {"PayloadFormatVersion": "1.0"}, AuthorizationType="AWS_IAM")
    allow_gateway(server, "iam-echo", api.id)
    return api


@pytest.fixture(scope="module")
def operator(server: Server, rest: RestApi) -> Signer:
    """A known key, once the server has heard of it."""
    key = operator_of(server)
    wait_until(lambda: signed(rest, key, "GET", "/prod/o").status == 200)
    return key


# who is let through


@pytest.mark.parametrize(
    "target", ["/prod/o", "/prod/o?b=2&a=1&a=0&empty=", "/prod/any/J%20D/a%2Fb//c/", "/prod/any/x~y*z"]
)
def test_a_known_key_calls_by_a_signature_in_the_header(rest: RestApi, operator: Signer, target: str) -> None:
    assert signed(rest, operator, "GET", target).status == 200


def test_a_signature_covers_the_body(rest: RestApi, operator: Signer) -> None:
    answer = signed(rest, operator, "POST", "/prod/o", body=b'{"a":1}', headers={"Content-Type": "application/json"})

    assert (answer.status, answer.json["body"]) == (200, '{"a":1}')


@pytest.mark.parametrize("kind", ["rest", "http"])
def test_a_known_key_calls_by_a_presigned_query(request: pytest.FixtureRequest, operator: Signer, kind: str) -> None:
    api: RestApi | HttpApi = request.getfixturevalue(kind)
    target = operator.target("GET", api.host, "/prod/o?a=1" if kind == "rest" else "/o?a=1")

    assert call(api.server, "GET", target, host=api.host).status == 200


def test_the_path_form_is_signed_as_it_is_sent(rest: RestApi, operator: Signer) -> None:
    """Raw target and Host as received."""
    host, target = f"localhost:{rest.server.port}", f"/_aws/execute-api/{rest.id}/prod/o"
    headers = operator.headers("GET", host, target)

    assert call(rest.server, "GET", target, headers, host=host).status == 200
    assert call(rest.server, "GET", "/prod/o", headers, host=rest.host).status == 403


def test_an_http_route_takes_a_signature(http: HttpApi, operator: Signer) -> None:
    assert [signed(http, operator, "GET", path).status for path in ("/o", "/old")] == [200, 200]


# what the backend is told


def test_a_rest_event_says_who_called_and_hides_the_signature(rest: RestApi, operator: Signer) -> None:
    event = signed(rest, operator, "GET", "/prod/o").json

    identity = event["requestContext"]["identity"]
    arn = f"arn:aws:iam::{ACCOUNT}:user/deploy"
    assert (identity["accessKey"], identity["accountId"], identity["userArn"]) == (operator.key_id, ACCOUNT, arn)
    assert identity["caller"] == identity["user"]
    assert re.fullmatch("AIDA[A-Z2-7]{17}", identity["user"])
    assert len(identity) == 12
    assert "authorizer" not in event["requestContext"]
    names = {name.lower() for name in event["headers"]}
    assert ("authorization" in names, "x-amz-date" in names) == (False, True)


def test_an_open_methods_event_names_nobody(rest: RestApi, operator: Signer) -> None:
    event = signed(rest, operator, "GET", "/prod/open").json

    assert [event["requestContext"]["identity"][name] for name in ("accessKey", "caller", "userArn")] == [None] * 3
    assert event["headers"]["Authorization"].startswith("AWS4-HMAC-SHA256 ")


def test_an_http_event_says_who_called_and_keeps_the_header(http: HttpApi, operator: Signer) -> None:
    event = signed(http, operator, "GET", "/o").json

    iam = event["requestContext"]["authorizer"]["iam"]
    assert iam == {
        "accessKey": operator.key_id,
        "accountId": ACCOUNT,
        "callerId": iam["userId"],
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": f"arn:aws:iam::{ACCOUNT}:user/deploy",
        "userId": iam["callerId"],
    }
    assert "authorization" in event["headers"]


def test_an_http_event_of_format_1_has_an_identity(http: HttpApi, operator: Signer) -> None:
    identity = signed(http, operator, "GET", "/old").json["requestContext"]["identity"]

    assert (identity["accessKey"], identity["accountId"]) == (operator.key_id, ACCOUNT)


def test_a_web_service_never_sees_a_rest_signature(server: Server, operator: Signer) -> None:
    with serving_web() as web:
        api = RestApi(server)
        api.web("GET", "/o", web.url, **IAM)
        api.deploy()

        assert signed(api, operator, "GET", "/prod/o").status == 200
        assert web.last.header("authorization") is None


# what is refused, and how


def rest_refusal(answer: Answer) -> tuple[int, str, str | None]:
    body = answer.json
    return answer.status, body.get("message") or body.get("Message"), answer.header("x-amzn-ErrorType")


INVALID = "The security token included in the request is invalid."


def test_an_unsigned_call_is_refused(rest: RestApi, http: HttpApi) -> None:
    answer = rest.call("GET", "/o")

    assert (answer.status, answer.body) == (403, b'{"message":"Missing Authentication Token"}')
    assert answer.header("x-amzn-ErrorType") == "MissingAuthenticationTokenException"
    answer = call(http.server, "GET", "/o", host=http.host)
    assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')


def test_a_bearer_token_is_no_signature(rest: RestApi) -> None:
    status, message, error_type = rest_refusal(rest.call("GET", "/o", {"Authorization": "Bearer abc"}))

    assert (status, error_type) == (403, "IncompleteSignatureException")
    assert message.startswith("Invalid key=value pair (missing equal-sign) in Authorization header (hashed")
    assert "abc" not in message


def test_development_modes_any_key_is_none_here(rest: RestApi, http: HttpApi) -> None:
    """Attack U5: an AWS_IAM method never inherits that every key is taken."""
    anybody = Signer("test", "test")

    assert rest_refusal(signed(rest, anybody, "GET", "/prod/o")) == (403, INVALID, "UnrecognizedClientException")
    answer = signed(http, anybody, "GET", "/o")
    assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')


def test_a_wrong_secret_is_told_what_should_have_been_signed(rest: RestApi, operator: Signer) -> None:
    by = operator.but(secret="wrong")
    headers = by.headers("GET", rest.host, "/prod/o?b=2&a=1")
    answer = call(rest.server, "GET", "/prod/o?b=2&a=1", headers, host=rest.host)

    status, message, error_type = rest_refusal(answer)
    assert (status, error_type) == (403, "InvalidSignatureException")
    assert re.fullmatch(
        r"The request signature we calculated does not match the signature you provided\. "
        r"Check your AWS Secret Access Key and signing method\. Consult the service documentation for details\.\n\n"
        r"The Canonical String for this request should have been\n'GET\n/prod/o\na=1&b=2\nhost:[^']+'\n\n"
        r"The String-to-Sign should have been\n'AWS4-HMAC-SHA256\n\d{8}T\d{6}Z\n"
        rf"\d{{8}}/{REGION}/execute-api/aws4_request\n[0-9a-f]{{64}}'\n",
        message,
    )


def test_a_stale_signature_is_refused(rest: RestApi, operator: Signer) -> None:
    """Five minutes on execute-api, either way; the test clock has no say."""
    status, message, error_type = rest_refusal(signed(rest, operator.but(late_s=400), "GET", "/prod/o"))

    assert (status, error_type) == (403, "InvalidSignatureException")
    assert re.fullmatch(r"Signature expired: \w+ is now earlier than \w+ \(\w+ - 5 min\.\)", message)
    assert signed(rest, operator.but(late_s=200), "GET", "/prod/o").status == 200
    assert signed(rest, operator.but(late_s=-400), "GET", "/prod/o").status == 403


def test_a_presigned_call_ends_with_its_lifetime(rest: RestApi, operator: Signer) -> None:
    target = operator.but(late_s=61).target("GET", rest.host, "/prod/o", expires_s=60)

    assert rest_refusal(call(rest.server, "GET", target, host=rest.host))[::2] == (403, "InvalidSignatureException")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"service": "lambda"}, "Credential should be scoped to correct service: 'execute-api'. "),
        ({"region": "eu-west-1"}, "Credential should be scoped to a valid region, not 'eu-west-1'. "),
    ],
)
def test_a_signature_for_elsewhere_is_refused(
    rest: RestApi, operator: Signer, change: dict[str, str], message: str
) -> None:
    answer = signed(rest, operator.but(**change), "GET", "/prod/o")

    assert rest_refusal(answer) == (403, message, "InvalidSignatureException")


def test_an_expired_session_is_told_apart() -> None:
    """Sessions live on the real clock, and for a quarter of an hour at least."""
    caller = Caller(ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s", "AROA:s", "ASIAEXPIRED")
    key = AccessKey("ASIAEXPIRED", b"secret", caller, "token", expires_at=int(time.time()) - 1)
    gateway = Gateway(access_keys={key.access_key_id: key})
    gateway.put_rest({"/o": {"GET": lambda_method(authorizationType="AWS_IAM")}})
    gateway.put_http({"GET /o": {"AuthorizationType": "AWS_IAM"}}, api_id="http123456")
    by = Signer(key.access_key_id, "secret", "token")

    answer = gateway.call("GET", "/prod/o", by.headers("GET", HOST, "/prod/o"))
    of_http = gateway.call("GET", "/o", by.headers("GET", HOST, "/o"), api_id="http123456")

    assert (answer.status, answer.header("x-amzn-ErrorType")) == (403, "ExpiredTokenException")
    assert answer.json == {"message": "The security token included in the request is expired"}
    assert (of_http.status, of_http.body) == (403, b'{"message":"Forbidden"}')


def test_a_refusal_may_be_customised(server: Server, function: str, operator: Signer) -> None:
    api = RestApi(server)
    api.function("GET", "/o", function, **IAM)
    for kind in ("MISSING_AUTHENTICATION_TOKEN", "INVALID_SIGNATURE"):
        api.client.put_gateway_response(restApiId=api.id, responseType=kind, statusCode="418")
    api.deploy()

    assert api.call("GET", "/o").status == 418
    assert signed(api, operator.but(secret="wrong"), "GET", "/prod/o").status == 418


# policies


def arn(api: "RestApi | HttpApi", rest: str) -> str:
    return f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api.id}/{rest}"


def test_a_session_may_what_its_role_allows(server: Server, rest: RestApi, http: HttpApi) -> None:
    name = f"iam-allowed-{rest.id}"
    session = session_of(server, name, allow(arn(rest, "prod/GET/o")), allow(arn(http, "$default/GET/o")))

    answers = [signed(rest, session, "GET", "/prod/o"), signed(http, session, "GET", "/o")]

    assert [answer.status for answer in answers] == [200, 200]
    identity = answers[0].json["requestContext"]["identity"]
    assert re.fullmatch(rf"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/.+", identity["userArn"])
    assert re.fullmatch(r"AROA[A-Z2-7]{17}:.+", identity["caller"])
    shown = f"arn:aws:execute-api:{REGION}:********0000:{rest.id}/prod/POST/o"
    text = f"User: {identity['userArn']} is not authorized to perform: execute-api:Invoke on resource: {shown}"
    refused = signed(rest, session, "POST", "/prod/o")
    assert rest_refusal(refused) == (403, text, "AccessDeniedException")
    assert b'"Message"' in refused.body
    assert signed(http, session, "GET", "/old").body == b'{"message":"Forbidden"}'


def test_an_iam_user_may_what_its_policies_allow(server: Server, rest: RestApi) -> None:
    iam, name = server.aws("iam"), f"caller-{rest.id}"
    iam.create_user(UserName=name)
    policy = {"Version": "2012-10-17", "Statement": [allow(arn(rest, "prod/GET/o"))]}
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    user = Signer(key["AccessKeyId"], key["SecretAccessKey"])

    allowed = signed(rest, user, "GET", "/prod/o")
    denied = signed(rest, user, "POST", "/prod/o")
    iam.delete_user_policy(UserName=name, PolicyName="own")

    assert allowed.json["requestContext"]["identity"]["userArn"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"
    assert (denied.status, signed(rest, user, "GET", "/prod/o").status) == (403, 403)
    iam.update_access_key(UserName=name, AccessKeyId=user.key_id, Status="Inactive")
    assert rest_refusal(signed(rest, user, "GET", "/prod/o")) == (403, INVALID, "UnrecognizedClientException")


def test_an_assumed_roles_session_may_what_the_role_allows(server: Server, rest: RestApi) -> None:
    iam, name = server.aws("iam"), f"assumed-{rest.id}"
    account = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [account]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    policy = {"Version": "2012-10-17", "Statement": [allow(arn(rest, "prod/*"))]}
    iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
    within = json.dumps({"Version": "2012-10-17", "Statement": [allow(arn(rest, "prod/GET/*"))]})
    given = server.aws("sts").assume_role(RoleArn=role, RoleSessionName="ada", Policy=within)["Credentials"]
    session = Signer(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    answers = [signed(rest, session, verb, "/prod/o") for verb in ("GET", "POST")]

    assert [answer.status for answer in answers] == [200, 403]
    presigned = session.target("GET", rest.host, "/prod/o")
    assert call(server, "GET", presigned, host=rest.host).status == 200
    user_arn = answers[0].json["requestContext"]["identity"]["userArn"]
    assert user_arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/ada"


def test_an_explicit_deny_wins(server: Server, rest: RestApi) -> None:
    session = session_of(server, f"iam-denied-{rest.id}", allow(arn(rest, "*")), allow(arn(rest, "prod/GET/o"), "Deny"))

    status, message, _ = rest_refusal(signed(rest, session, "GET", "/prod/o"))

    assert (status, message.endswith(" with an explicit deny in an identity-based policy")) == (403, True)
    assert signed(rest, session, "POST", "/prod/o").status == 200


def test_conditions_know_the_caller_and_the_call(server: Server, rest: RestApi) -> None:
    def where(address: str) -> dict[str, Any]:
        return {"Condition": {"IpAddress": {"aws:SourceIp": address}}}

    session = session_of(
        server,
        f"iam-conditions-{rest.id}",
        allow(arn(rest, "prod/GET/o"), **where("127.0.0.0/8")),
        allow(arn(rest, "prod/POST/o"), **where("192.0.2.0/24")),
    )

    assert [signed(rest, session, verb, "/prod/o").status for verb in ("GET", "POST")] == [200, 403]


def test_a_session_without_a_right_is_let_in_by_the_apis_policy(server: Server, function: str) -> None:
    """Table A: in one account either may allow; a deny of either refuses."""
    api = RestApi(server)
    for verb in ("GET", "POST", "PUT", "DELETE"):
        api.function(verb, "/o", function, **IAM)
    role = f"iam-policy-{api.id}"
    principal = {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{role}"}}
    account = {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    statements = [
        allow("execute-api:/prod/GET/*", **principal),
        allow("execute-api:/prod/POST/*", **account),
        allow("execute-api:/prod/PUT/*", "Deny", Principal="*"),
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    patch = {"op": "replace", "path": "/policy", "value": policy}
    api.client.update_rest_api(restApiId=api.id, patchOperations=[patch])
    api.deploy()
    allow_gateway(server, "iam-echo", api.id)
    session = session_of(server, role, allow(arn(api, "prod/PUT/o")), allow(arn(api, "prod/DELETE/o")))

    answers = {verb: signed(api, session, verb, "/prod/o") for verb in ("GET", "POST", "PUT", "DELETE")}

    # To the account alone is to whom the account's own policies allow it.
    assert {verb: answer.status for verb, answer in answers.items()} == {
        "GET": 200,
        "POST": 403,
        "PUT": 403,
        "DELETE": 200,
    }
    assert rest_refusal(answers["PUT"])[1].endswith(" with an explicit deny in a resource-based policy")
    assert rest_refusal(answers["PUT"])[1].startswith(f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{role}/")


def test_another_accounts_api_needs_both(server: Server, operator: Signer) -> None:
    """Table B."""
    theirs = server.aws("apigateway", key="111122223333")
    other = RestApi.__new__(RestApi)
    made = theirs.create_rest_api(name="theirs", endpointConfiguration={"types": ["REGIONAL"]})
    other.server, other.client, other.id, other._resources = server, theirs, made["id"], {"": made["rootResourceId"]}
    mock = {"type": "MOCK", "requestTemplates": {"application/json": '{"statusCode": 200}'}}
    for path in ("/closed", "/named"):
        other.method("GET", path, mock, **IAM)
        theirs.put_method_response(**other.where("GET", path), statusCode="200")
        theirs.put_integration_response(**other.where("GET", path), statusCode="200")
    statement = allow("execute-api:/prod/GET/named", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    patch = {"op": "replace", "path": "/policy", "value": policy}
    theirs.update_rest_api(restApiId=other.id, patchOperations=[patch])
    other.deploy()

    assert [signed(other, operator, "GET", f"/prod/{path}").status for path in ("closed", "named")] == [403, 200]


# whose credentials call the function


def test_the_callers_own_credentials_invoke_the_function(server: Server, function: str, operator: Signer) -> None:
    """`arn:aws:iam::*:user/*`: the caller needs lambda:InvokeFunction; the gateway's own permission is not asked."""
    own = {"credentials": "arn:aws:iam::*:user/*"}
    rest, http = RestApi(server), HttpApi(server)
    rest.function("GET", "/o", function, own, **IAM)
    rest.function("GET", "/unsigned", function, own)
    rest.deploy()
    http.function("GET /o", function, {"CredentialsArn": "arn:aws:iam::*:user/*"}, AuthorizationType="AWS_IAM")
    may_call = [allow(arn(rest, "*")), allow(arn(http, "*"))]
    caller = session_of(server, f"iam-caller-{rest.id}", *may_call)
    may_invoke = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function}
    invoker = session_of(server, f"iam-invoker-{rest.id}", *may_call, may_invoke)

    statuses = {
        who: [signed(rest, by, "GET", "/prod/o").status, signed(http, by, "GET", "/o").status]
        for who, by in (("operator", operator), ("caller", caller), ("invoker", invoker))
    }

    assert statuses == {"operator": [200, 200], "caller": [500, 500], "invoker": [200, 200]}
    assert rest.call("GET", "/unsigned").status == 500


def test_a_role_invokes_what_its_policies_allow(server: Server, function: str) -> None:
    """The role is here, trusts API Gateway and may invoke the function; else nobody gets through."""
    api = RestApi(server)
    iam = server.aws("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
    lambda_trust = {**trust, "Principal": {"Service": "lambda.amazonaws.com"}}
    invoke = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function}
    deny = {**invoke, "Effect": "Deny"}
    for name, trusted, statements in (
        ("good", trust, [invoke]),
        ("powerless", trust, []),
        ("denied", trust, [invoke, deny]),
        ("distrustful", lambda_trust, [invoke]),
    ):
        document = json.dumps({"Version": "2012-10-17", "Statement": [trusted]})
        iam.create_role(RoleName=f"{name}-{api.id}", AssumeRolePolicyDocument=document)
        if statements:
            policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
            iam.put_role_policy(RoleName=f"{name}-{api.id}", PolicyName="own", PolicyDocument=policy)
    names = ("good", "powerless", "denied", "distrustful", "absent")
    for name in names:
        role = f"arn:aws:iam::{ACCOUNT}:role/{name}-{api.id}"
        api.function("GET", f"/{name}", function, {"credentials": role})
    api.deploy()

    answers = {name: api.call("GET", f"/{name}").status for name in names}

    assert answers == {"good": 200, "powerless": 500, "denied": 500, "distrustful": 500, "absent": 500}


SAM = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties: {StageName: Prod, Auth: {DefaultAuthorizer: AWS_IAM}}
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      InlineCode: |
        def handler(event, context):
            return {"statusCode": 200, "body": event["requestContext"]["identity"]["userArn"]}
      Events:
        Iam: {Type: Api, Properties: {Path: /iam, Method: get, RestApiId: !Ref Api}}
        Open: {Type: Api, Properties: {Path: /open, Method: get, RestApiId: !Ref Api, Auth: {Authorizer: NONE}}}
Outputs:
  Api: {Value: !Ref Api}
"""


def test_sams_iam_authorizer_calls_as_the_caller(server: Server, operator: Signer, tmp_path: Path) -> None:
    """SAM gives AWS_IAM methods `arn:aws:iam::*:user/*` as credentials (CALLER_CREDENTIALS)."""
    (tmp_path / "template.yaml").write_text(SAM)
    done = scopegate("deploy", str(tmp_path / "template.yaml"), "--name", "sam-iam", "--endpoint", server.url)
    assert done.returncode == 0, done.stderr + done.stdout
    printed = scopegate("outputs", "sam-iam", "--endpoint", server.url).stdout
    found = re.search(r"Api = ([a-z0-9]{10})", printed)
    assert found is not None
    host = f"{found[1]}.execute-api.{REGION}.amazonaws.com"

    unsigned = call(server, "GET", "/Prod/iam", host=host)
    answer = call(server, "GET", "/Prod/iam", operator.headers("GET", host, "/Prod/iam"), host=host)

    assert (unsigned.status, unsigned.body) == (403, b'{"message":"Missing Authentication Token"}')
    assert (answer.status, answer.body.decode()) == (200, f"arn:aws:iam::{ACCOUNT}:user/deploy")
