"""Layers over real HTTP: what is published lies at /opt of the functions that have it."""

import contextlib
import io
import json
import stat
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.server import ACCOUNT, REGION, ROLE, Server, zipped

HANDLER = """
import os
import greeting
def handler(event, context):
    opt = os.path.dirname(os.path.dirname(greeting.__file__))
    found = sorted(os.path.join(place, name)[len(opt):] for place, _, names in os.walk(opt) for name in names)
    return {"greeting": greeting.TEXT, "found": [name for name in found if "__pycache__" not in name], "opt": opt}
"""


@pytest.fixture
def lambda_(server: Server) -> Any:
    return server.aws("lambda")


def publish(lambda_: Any, name: str, files: dict[str, str | bytes]) -> str:
    layer = lambda_.publish_layer_version(LayerName=name, Content={"ZipFile": zipped(files)})
    assert layer["ResponseMetadata"]["HTTPStatusCode"] == 201
    arn: str = layer["LayerVersionArn"]
    return arn


def create(lambda_: Any, name: str, layers: list[str], source: str = HANDLER, **members: Any) -> Any:
    wanted = {"Runtime": "python3.12", "Handler": "app.handler", "Code": {"ZipFile": zipped({"app.py": source})}}
    return lambda_.create_function(FunctionName=name, Role=ROLE, Layers=layers, Timeout=10, **{**wanted, **members})


def run(lambda_: Any, name: str) -> Any:
    answer = lambda_.invoke(FunctionName=name)
    told = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, told
    return told


def test_later_layers_lie_over_earlier_ones(lambda_: Any) -> None:
    """Reference, "File system, user, limits": in the order of the list; the function's own code comes first."""
    first = publish(lambda_, "over-a", {"python/greeting.py": "TEXT = 'first'\n", "lib/one": "", "both/x": "1"})
    second = publish(lambda_, "over-b", {"python/greeting.py": "TEXT = 'second'\n", "both/y": "2"})
    created = create(lambda_, "layered", [first, second])

    forward = run(lambda_, "layered")
    lambda_.update_function_configuration(FunctionName="layered", Layers=[second, first])
    backward = run(lambda_, "layered")

    assert [layer["Arn"] for layer in created["Layers"]] == [first, second]
    assert created["Layers"][0].keys() == {"Arn", "CodeSize"}
    assert (forward["greeting"], backward["greeting"]) == ("second", "first")
    assert forward["found"] == ["/both/x", "/both/y", "/lib/one", "/python/greeting.py"]


def test_the_functions_own_code_comes_before_layers(lambda_: Any) -> None:
    layer = publish(lambda_, "before", {"python/greeting.py": "TEXT = 'layer'\n"})
    code = zipped(
        {"app.py": "import greeting\ndef handler(e, c):\n    return greeting.TEXT\n", "greeting.py": "TEXT = 1"}
    )
    create(lambda_, "own-first", [layer], Code={"ZipFile": code})

    assert run(lambda_, "own-first") == 1


def test_a_deleted_layer_keeps_working_for_functions_that_have_it(lambda_: Any) -> None:
    """Recorded: after the deletion too, for a new configuration of the same function."""
    layer = publish(lambda_, "deleted", {"python/greeting.py": "TEXT = 'still here'\n"})
    create(lambda_, "keeper", [layer])

    lambda_.delete_layer_version(LayerName="deleted", VersionNumber=1)
    lambda_.update_function_configuration(FunctionName="keeper", Timeout=9)

    assert run(lambda_, "keeper")["greeting"] == "still here"
    assert lambda_.get_function_configuration(FunctionName="keeper")["Layers"][0]["Arn"] == layer


def test_layers_of_node_functions_are_found_by_require(lambda_: Any) -> None:
    layer = publish(lambda_, "node", {"nodejs/node_modules/greet/index.js": "module.exports = () => 'hello';\n"})
    source = "const greet = require('greet');\nexports.handler = async () => greet();\n"
    code = {"ZipFile": zipped({"index.js": source})}
    create(lambda_, "noder", [layer], Runtime="nodejs22.x", Handler="index.handler", Code=code)

    assert run(lambda_, "noder") == "hello"


BOOTSTRAP = """#!/usr/bin/env python3
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None):
    api.request(method, "/2018-06-01/runtime/invocation/" + path, body)
    answer = api.getresponse()
    answer.read()
    return answer.headers["Lambda-Runtime-Aws-Request-Id"]
while True:
    call("POST", call("GET", "next") + "/response", '"from a layer"')
"""


def test_a_layer_may_bring_the_bootstrap(lambda_: Any) -> None:
    """Reference, "provided": in the package, else in a layer."""
    with archive() as (opened, packed):
        info = zipfile.ZipInfo("bootstrap")
        info.external_attr = 0o755 << 16
        opened.writestr(info, BOOTSTRAP)
    layer = lambda_.publish_layer_version(LayerName="bootstrap", Content={"ZipFile": packed()})
    create(lambda_, "provider", [layer["LayerVersionArn"]], Runtime="provided.al2023", Handler="x")

    assert run(lambda_, "provider") == "from a layer"


@contextlib.contextmanager
def archive() -> Iterator[tuple[zipfile.ZipFile, Callable[[], bytes]]]:
    """A zip archive to write, and its bytes when it is closed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        yield opened, buffer.getvalue


def test_f1_layers_laid_over_one_another_stay_in_their_place(lambda_: Any) -> None:
    """A link of one layer and a folder of the other never lead out: the later takes the earlier's place."""
    with archive() as (opened, packed):
        opened.writestr("python/greeting.py", "TEXT = 'linked'\n")
        opened.writestr("real/file", "kept")
        link = zipfile.ZipInfo("place")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "real")
    linked = lambda_.publish_layer_version(LayerName="linked", Content={"ZipFile": packed()})
    plain = publish(lambda_, "plain", {"place/file": "new", "real": "now a file"})
    create(lambda_, "twisted", [linked["LayerVersionArn"], plain])

    found = run(lambda_, "twisted")["found"]
    lambda_.update_function_configuration(FunctionName="twisted", Layers=[plain, linked["LayerVersionArn"]])
    turned = run(lambda_, "twisted")["found"]

    assert found == ["/place/file", "/python/greeting.py", "/real"]
    assert turned == ["/python/greeting.py", "/real/file"]


def test_the_package_of_a_layer_can_be_fetched(lambda_: Any) -> None:
    files = {"python/greeting.py": "TEXT = 'x'\n"}
    publish(lambda_, "fetched", files)

    layer = lambda_.get_layer_version(LayerName="fetched", VersionNumber=1)

    assert requests.get(layer["Content"]["Location"], timeout=10).content == zipped(files)
    assert layer["LayerArn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:fetched"


def test_layer_operations_answer_with_awss_status(lambda_: Any) -> None:
    publish(lambda_, "statuses", {"a": "b"})
    version = {"LayerName": "statuses", "VersionNumber": 1}

    def status(answer: Any) -> int:
        return int(answer["ResponseMetadata"]["HTTPStatusCode"])

    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:statuses:1"
    assert status(lambda_.get_layer_version(**version)) == 200
    assert status(lambda_.get_layer_version_by_arn(Arn=arn)) == 200
    assert status(lambda_.list_layers()) == 200
    assert status(lambda_.list_layer_versions(LayerName="statuses")) == 200
    allowed = {"StatementId": "s", "Action": "lambda:GetLayerVersion", "Principal": "*"}
    assert status(lambda_.add_layer_version_permission(**version, **allowed)) == 201
    assert status(lambda_.get_layer_version_policy(**version)) == 200
    assert status(lambda_.remove_layer_version_permission(**version, StatementId="s")) == 204
    assert status(lambda_.delete_layer_version(**version)) == 204


def test_layers_published_at_once_have_numbers_of_their_own(lambda_: Any) -> None:
    content = {"ZipFile": zipped({"a": "b"})}

    with ThreadPoolExecutor(6) as threads:
        published = list(
            threads.map(lambda _: lambda_.publish_layer_version(LayerName="race", Content=content), "abcdef")
        )

    assert sorted(each["Version"] for each in published) == [1, 2, 3, 4, 5, 6]
