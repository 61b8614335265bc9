"""HTTP_PROXY, two stages of one deployment, an access log.

Source: tests/templates/rest-http-proxy-stage.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from scopegate.base.errors import SetupError
from scopegate.cli.client import Client
from tests.operators import wait_until
from tests.templates_real.conftest import Deployed
from tests.wire.gateways import serving_web


def logged(api: Deployed) -> list[str]:
    """The lines of the access log, which no call waits for; none until the first is there."""
    try:
        lines: list[str] = Client(api.server.url).own("GET", f"logs?function={api.api_id}-access-logs&lines=9")["lines"]
    except SetupError:
        return []
    return lines


def test_both_stages_pass_on_and_nothing_else_is_there(real: Callable[..., Deployed]) -> None:
    api = real("rest-http-proxy-stage")

    for stage in ("test", "tempstage"):
        answer = api.call("GET", f"/{stage}/pets")
        assert answer.status_code == 200 or answer.status_code >= 500  # the petstore may be out of reach
    for method, path in (("POST", "/test/pets"), ("GET", "/test/other")):
        answer = api.call(method, path)
        assert (answer.status_code, answer.json()) == (403, {"message": "Missing Authentication Token"})
    assert api.outputs["InvokeURL"] == f"https://{api.api_id}.execute-api.us-east-1.amazonaws.com/test/pets"


def test_what_the_service_answers_comes_back_unchanged_and_is_logged(
    real: Callable[..., Deployed], tmp_path: Path
) -> None:
    """The same template from the beginning, its integration pointed at a service of ours."""
    api = real("rest-http-proxy-stage")
    api.delete()
    with serving_web() as web:
        shutil.copytree(api.file.parent, tmp_path / "here")
        file = tmp_path / "here" / "template.yaml"
        file.write_text(api.file.read_text().replace("http://petstore.execute-api.us-west-1.amazonaws.com", web.url))
        api.file = file
        api.deploy()

        answer = api.call("GET", "/test/pets?x=1")

        assert answer.status_code == 200
        (seen,) = web.seen
        assert (seen.method, seen.target.partition("?")[0]) == ("GET", "/petstore/pets")
        assert "x=1" in seen.target
        (line,) = wait_until(lambda: logged(api))
        assert f'"GET /pets HTTP/1.1" 200 {len(answer.content)} {answer.headers["x-amzn-requestid"]}' in line
