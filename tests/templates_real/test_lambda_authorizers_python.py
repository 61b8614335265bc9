"""Lambda authorizers in Python, REST and HTTP, resource by resource; the handler of the authorizer is a parameter.

Source: tests/templates/lambda-authorizers-python.
"""

from collections.abc import Callable

from tests.templates_real.conftest import Deployed

X = {"header": "x"}
TOKEN = ("GET", "/prod/requestauthorizertoken", X)
REQUEST = ("GET", "/prod/requestauthorizerrequest?query=q", X)
V2, V1, SIMPLE = (("GET", f"/prod/requestauthorizer{name}?query=q", X) for name in ("v2", "v1", "v2simple"))


def test_rest_authorizers_decide_by_their_policies(real: Callable[..., Deployed]) -> None:
    api = real("lambda-authorizers-python")

    assert api.call(*TOKEN[:2], headers=X).json() == {"message": "from authorizer"}
    assert api.statuses(TOKEN, REQUEST) == [200, 200]
    missing = [(*TOKEN[:2], {}), ("GET", "/prod/requestauthorizerrequest", X), (*REQUEST[:2], {})]
    assert api.statuses(*missing) == [401, 401, 401]

    api.deploy(AuthHandler="app.unauth")
    flush(api)
    assert api.statuses(TOKEN, REQUEST) == [403, 403]
    assert api.statuses(*missing) == [401, 401, 401]

    api.deploy(AuthHandler="app.throws_exception")
    flush(api)
    assert api.statuses(TOKEN, REQUEST) == [500, 500]
    assert api.statuses(*missing) == [401, 401, 401]


def flush(api: Deployed) -> None:
    """Forget what authorizers said of this token: by default they are asked again after 300 seconds."""
    api.server.aws("apigateway").flush_stage_authorizers_cache(restApiId=api.api_id, stageName="prod")


def test_http_authorizers_decide_by_policies_and_simple_answers(real: Callable[..., Deployed]) -> None:
    api = real("lambda-authorizers-python", "template-cfn-v2.yaml")
    missing = [("GET", path.partition("?")[0], X) for _, path, _ in (V2, V1, SIMPLE)]
    missing += [(*each[:2], {}) for each in (V2, V1, SIMPLE)]

    assert api.statuses(V2, V1) == [200, 200]
    assert api.call(*V2[:2], headers=X).json() == {"message": "from authorizer"}
    assert api.statuses(SIMPLE) != [200]  # a policy, where a simple answer is due
    assert api.statuses(*missing) == [401] * 6

    api.deploy(AuthHandler="app.unauth")
    assert api.statuses(V2, V1) == [403, 403]
    assert api.statuses(SIMPLE) != [200]
    assert api.statuses(*missing) == [401] * 6

    api.deploy(AuthHandler="app.throws_exception")
    assert api.statuses(V2, V1, SIMPLE) == [500, 500, 500]

    api.deploy(AuthHandler="app.simple_handler")
    assert api.statuses(SIMPLE) == [200]
    assert 200 not in api.statuses(V2, V1)


def test_the_authorizers_context_reaches_a_function_of_either_format(real: Callable[..., Deployed]) -> None:
    api = real("lambda-authorizers-python", "template-cfn-v2.yaml", RoutePayloadFormatVersion="1.0")

    assert api.call(*V2[:2], headers=X).json() == {"message": "from authorizer"}
