"""A gateway without sockets: APIs as stored documents in a real database, compiled, called with real signed tokens.

Functions are what `functions` maps ARNs to: the port `Invoke`, as a process without the function role has it.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from sqlalchemy import Connection

from scopegate.base import clock
from scopegate.base.errors import AwsError
from scopegate.base.settings import Settings
from scopegate.gateway import compile as gateway_compile
from scopegate.gateway import pipeline, queries
from scopegate.http.message import Header, Request, Response
from scopegate.jose.keys import verify_key
from scopegate.jose.sign import SigningKey
from scopegate.observe.record import Record, Ring
from scopegate.ports import AccessKey, CompileContext, Edge, Invocation, InvocationAnswer, Ports, TrustedPool
from tests.database import new_database

ACCOUNT = "000000000000"
REGION = "us-east-1"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:orders"
FUNCTION_URI = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"
HOST = f"api1234567.execute-api.{REGION}.amazonaws.com"

Document = dict[str, Any]
Handler = Callable[[Document], Any]


@cache
def private_key(name: str) -> RSAPrivateKey:
    """One key per name and test run: they are slow to make."""
    return generate_private_key(65537, 2048)


class Pool:
    """A user pool as the gateway knows it, and a signer of its tokens."""

    def __init__(self, name: str, clients: tuple[str, ...] = ("client1",), kid: str | None = None) -> None:
        self.pool_id = f"{REGION}_{name}"
        self.arn = f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{self.pool_id}"
        self.issuer = f"https://cognito-idp.{REGION}.amazonaws.com/{self.pool_id}"
        self.clients = set(clients)
        self.kid = kid or f"{name}-kid"
        self._key = private_key(name)
        self.keys = {self.kid: verify_key(self.kid, self._key.public_key())}

    def trusted(self) -> TrustedPool:
        return TrustedPool(self.pool_id, self.arn, self.issuer, self.keys, self.clients)

    def sign(self, claims: Mapping[str, Any]) -> str:
        return SigningKey(self.kid, self._key).sign(claims).decode()

    def access_claims(self, scope: str | None = "orders/read", **changes: Any) -> Document:
        """Claims of a client_credentials token, in Cognito's order; a change to None takes a claim away."""
        now = int(clock.now())
        claims = {
            "sub": "client1",
            "token_use": "access",
            "scope": scope,
            "auth_time": now,
            "iss": self.issuer,
            "exp": now + 3600,
            "iat": now,
            "version": 2,
            "jti": "13727aba-89e6-4896-bd9e-8cbc0f478f9c",
            "client_id": "client1",
        }
        return {name: value for name, value in {**claims, **changes}.items() if value is not None}

    def access_token(self, scope: str | None = "orders/read", **changes: Any) -> str:
        return self.sign(self.access_claims(scope, **changes))

    def id_token(self, **changes: Any) -> str:
        now = int(clock.now())
        claims = {
            "sub": "d2f50444-0041-7036-aea2-a955fca33d37",
            "aud": "client1",
            "cognito:groups": ["group-a", "group-b"],
            "email_verified": True,
            "iss": self.issuer,
            "cognito:username": "ada",
            "token_use": "id",
            "auth_time": 1718636404,
            "exp": now + 3600,
            "iat": now,
        }
        return self.sign({name: value for name, value in {**claims, **changes}.items() if value is not None})


class Tx:
    """An open transaction on a real database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.changes: list[tuple[str, str]] = []

    @property
    def sql(self) -> Connection:
        return self._connection

    def changed(self, kind: str, key: str) -> None:
        self.changes.append((kind, key))


@dataclass
class Answer:
    """A response, read: header look-ups without regard to case, every value in order."""

    status: int
    headers: list[Header]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for key, value in self.headers if key.decode().lower() == name.lower()]

    def header(self, name: str) -> str | None:
        values = self.all(name)
        return values[-1] if values else None

    @property
    def names(self) -> list[str]:
        return [name.decode() for name, _ in self.headers]

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Invoked:
    """The port `Invoke`: what was asked of it, and the answers of the functions that a test gave it."""

    def __init__(self) -> None:
        self.functions: dict[str, Handler] = {}
        self.invocations: list[Invocation] = []

    @property
    def event(self) -> Document:
        return cast("Document", orjson.loads(self.invocations[-1].payload))

    async def __call__(self, invocation: Invocation) -> InvocationAnswer:
        self.invocations.append(invocation)
        handler = self.functions.get(invocation.function_arn)
        if handler is None:
            raise AwsError("ResourceNotFoundException", "Function not found", status=404)
        found = handler(orjson.loads(invocation.payload))
        if inspect.isawaitable(found):
            found = await found
        error = "Unhandled" if isinstance(found, dict) and "errorMessage" in found else None
        payload = found if isinstance(found, bytes) else orjson.dumps(found)
        return InvocationAnswer("8a5f2c1e-0000-4000-8000-000000000001", payload, "$LATEST", error)


def _unused(*_: Any, **__: Any) -> Any:
    raise AssertionError("the data plane does not ask for this")


@dataclass
class Gateway:
    """One gateway: store APIs, compile, call."""

    development: bool = False
    pools: list[Pool] = field(default_factory=list)
    invoked: Invoked = field(default_factory=Invoked)
    client: Any = None
    issuer_keys: Any = None
    access_keys: dict[str, AccessKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tx = Tx(new_database())
        self.invoked.functions.setdefault(
            FUNCTION, lambda event: {"statusCode": 200, "body": orjson.dumps(event).decode()}
        )
        settings = Settings(development=self.development)
        ports = Ports(
            invoke=self.invoked,
            find_pool=self.find_pool,
            function_exists=_unused,
            find_access_key=lambda key_id, _token: self.access_keys.get(key_id),
            mint_session=_unused,
            call_aws=_unused,
            plans=_unused,
        )
        self.edge = Edge(
            settings, Ring(100), ports, "http://localhost:4566", client=self.client, issuer_keys=self.issuer_keys
        )
        self.context = CompileContext(settings, cast("Any", None), ports)
        self.view = gateway_compile.compile_all(self.tx, self.context)

    def find_pool(self, arn_or_issuer: str) -> TrustedPool | None:
        return next((pool.trusted() for pool in self.pools if arn_or_issuer in (pool.arn, pool.issuer)), None)

    def compile(self) -> gateway_compile.View:
        self.view = gateway_compile.compile_all(self.tx, self.context)
        return self.view

    def put_rest(
        self,
        resources: Mapping[str, Mapping[str, Document]],
        *,
        api_id: str = "api1234567",
        authorizers: tuple[Document, ...] = (),
        stage: Document | None = None,
        **snapshot: Any,
    ) -> None:
        """A REST API, deployed: path → verb → Method. stage: members of the stage `prod`."""
        api = {"id": api_id, "name": "orders", **snapshot.pop("api", {})}
        queries.put_api(self.tx, ACCOUNT, REGION, "REST", api_id, api)
        documents = [
            {
                "id": f"res{index:03}",
                "path": path,
                "resourceMethods": {
                    verb: {"httpMethod": verb, "authorizationType": "NONE", "apiKeyRequired": False, **method}
                    for verb, method in methods.items()
                },
            }
            for index, (path, methods) in enumerate(resources.items())
        ]
        whole = {"api": api, "resources": documents, **snapshot}
        queries.put_part(self.tx, api_id, "deployment", "dep123", {"id": "dep123", "snapshot": whole})
        for authorizer in authorizers:
            queries.put_part(self.tx, api_id, "authorizer", authorizer["id"], authorizer)
        document = {"stageName": "prod", "deploymentId": "dep123", **(stage or {})}
        queries.put_part(self.tx, api_id, "stage", document["stageName"], document)
        self.compile()

    def put_http(
        self,
        routes: Mapping[str, Document],
        integrations: Mapping[str, Document] | None = None,
        *,
        api_id: str = "api1234567",
        authorizers: tuple[Document, ...] = (),
        stages: tuple[Document, ...] = ({"StageName": "$default"},),
        **api: Any,
    ) -> None:
        """An HTTP API, deployed: route key → Route; a route without Target goes to the integration `fn`."""
        document = {"ApiId": api_id, "Name": "orders", "ProtocolType": "HTTP", **api}
        queries.put_api(self.tx, ACCOUNT, REGION, "HTTP", api_id, document)
        given = integrations or {"fn": lambda_integration()}
        snapshot = {
            "api": document,
            "routes": [
                {"RouteId": f"r{index}", "RouteKey": key, "Target": f"integrations/{next(iter(given))}", **route}
                for index, (key, route) in enumerate(routes.items())
            ],
            "integrations": [{"IntegrationId": name, **integration} for name, integration in given.items()],
            "authorizers": list(authorizers),
        }
        queries.put_part(self.tx, api_id, "deployment", "dep123", {"DeploymentId": "dep123", "Snapshot": snapshot})
        for stage in stages:
            queries.put_part(self.tx, api_id, "stage", stage["StageName"], {"DeploymentId": "dep123", **stage})
        self.compile()

    def start(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
        body: bytes = b"",
        *,
        api_id: str = "api1234567",
        peer: str = "203.0.113.9",
        host: str = HOST,
    ) -> Response | Awaitable[Response]:
        """Begin a call; a refusal that needs no waiting is a Response at once."""
        given = list(headers.items()) if isinstance(headers, Mapping) else list(headers or ())
        if not any(name.lower() == "host" for name, _ in given):
            given.insert(0, ("Host", host))
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given]
        request = Request(method, target.encode("latin-1"), pairs, body, peer=(peer, 50000), local=("127.0.0.1", 4566))
        return pipeline.answer(request, self.view.api_by_id.get(api_id), request.path, self.edge)

    async def call_async(self, *args: Any, **kwargs: Any) -> Answer:
        started = self.start(*args, **kwargs)
        response = started if isinstance(started, Response) else await started
        body = response.body
        if response.stream is not None:
            body = b"".join([piece async for piece in response.stream])
        return Answer(response.status, response.headers, body)

    def call(self, *args: Any, **kwargs: Any) -> Answer:
        """A whole call, on an event loop of its own when it has to wait."""
        started = self.start(*args, **kwargs)
        if isinstance(started, Response):
            return Answer(started.status, started.headers, started.body)

        async def wait() -> Response:
            return await started

        response = asyncio.run(wait())
        assert response.stream is None
        return Answer(response.status, response.headers, response.body)

    @property
    def record(self) -> Record:
        return next(self.edge.ring.newest(1))


def lambda_method(**method: Any) -> Document:
    """A REST method with the function `orders`."""
    return {
        "methodIntegration": {"type": "AWS_PROXY", "httpMethod": "POST", "uri": FUNCTION_URI},
        "methodResponses": {},
        **method,
    }


def lambda_integration(version: str = "2.0", **integration: Any) -> Document:
    return {
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": FUNCTION,
        "IntegrationMethod": "POST",
        "PayloadFormatVersion": version,
        **integration,
    }


def cognito_authorizer(*pools: Pool, **members: Any) -> Document:
    return {
        "id": "auth01",
        "name": "pool",
        "type": "COGNITO_USER_POOLS",
        "providerARNs": [pool.arn for pool in pools],
        "identitySource": "method.request.header.Authorization",
        **members,
    }


def cognito_method(*scopes: str, **members: Any) -> Document:
    return lambda_method(
        authorizationType="COGNITO_USER_POOLS", authorizerId="auth01", authorizationScopes=list(scopes), **members
    )


def jwt_authorizer(issuer: str, *audience: str, **members: Any) -> Document:
    return {
        "AuthorizerId": "auth01",
        "Name": "jwt",
        "AuthorizerType": "JWT",
        "IdentitySource": ["$request.header.Authorization"],
        "JwtConfiguration": {"Issuer": issuer, "Audience": list(audience)},
        **members,
    }


def jwt_route(*scopes: str, **members: Any) -> Document:
    return {"AuthorizationType": "JWT", "AuthorizerId": "auth01", "AuthorizationScopes": list(scopes), **members}
