"""`scopegate check`: exit codes, what machines read, what is ignored, and what it does not do.

What it says of templates is in tests/golden.
Source: docs/check.md.
"""

import json
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scopegate.stacks.checks.rules import RULES
from tests.operators import scopegate

ROOT = Path(__file__).parent.parent.parent
POOL = """
Resources:
  Pool: {Type: AWS::Cognito::UserPool}
Outputs:
  Pool: {Value: !Ref Pool, Export: {Name: the-pool}}
"""
OPEN = """
Resources:
  Api:
    Type: AWS::ApiGatewayV2::Api
    Properties:
      Name: orders
      Body:
        openapi: 3.0.1
        info: {title: orders, version: "1"}
        paths:
          /health:
            get:
              x-amazon-apigateway-integration:
                type: http_proxy
                httpMethod: GET
                uri: https://health.example.com
                payloadFormatVersion: "1.0"
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Api, StageName: $default, AutoDeploy: true}
"""
BROKEN = """
Resources:
  Pool:
    Type: AWS::Cognito::UserPool
    Properties: {UserPoolNme: x}
"""
IMPORTING = """
Parameters:
  Name: {Type: String, Default: job}
Resources:
  Client:
    Type: AWS::Cognito::UserPoolClient
    Properties: {UserPoolId: !ImportValue the-pool, ClientName: !Ref Name}
"""


def write(folder: Path, **files: str) -> list[str]:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return [f"{name}.yaml" for name in files]


def found(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = scopegate("check", "--json", *arguments, cwd=folder)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def test_errors_fail_warnings_do_not_unless_strict(tmp_path: Path) -> None:
    write(tmp_path, clean=POOL, suspicious=OPEN, broken=BROKEN)

    assert [
        scopegate("check", f"{name}.yaml", cwd=tmp_path).returncode for name in ("clean", "suspicious", "broken")
    ] == [
        0,
        0,
        1,
    ]
    assert scopegate("check", "--strict", "clean.yaml", cwd=tmp_path).returncode == 0
    assert scopegate("check", "--strict", "suspicious.yaml", cwd=tmp_path).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.yaml",), "nowhere.yaml cannot be read"),
        (("--ignore", "open-rout", "pool.yaml"), "there is no rule 'open-rout' to ignore; did you mean open-route?"),
        (("--ignore", "refused", "pool.yaml"), "there is no rule 'refused' to ignore"),
        (("--param", "Stage=x", "pool.yaml"), "None of the templates has a parameter Stage"),
        (("--json", "--sarif", "pool.yaml"), "--json and --sarif exclude each other"),
        ((), "Missing argument"),
    ],
)
def test_a_wrong_command_ends_with_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    write(tmp_path, pool=POOL)

    done = scopegate("check", *arguments, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_json_is_what_the_manual_says(tmp_path: Path) -> None:
    (file,) = write(tmp_path, template=OPEN)

    code, document = found(tmp_path, file)

    route = {"method": "GET", "path": "/health", "authorizer": "open", "scopes": [], "closed": "", "line": 12}
    route["integration"] = "HTTP_PROXY https://health.example.com"
    api = {"api": "Api", "name": "orders", "kind": "HTTP", "stage": "$default", "routes": [route]}
    assert code == 0
    assert document["version"] == 1
    assert document["files"] == [{"file": file, "apis": [api], "notes": [], "ignored": 0}]
    (finding,) = document["findings"]
    assert "security: [{pool: [service/read]}]" in finding.pop("snippet")
    assert finding == {
        "rule": "open-route",
        "severity": "warning",
        "message": "GET /health is open, anybody may call it",
        "file": file,
        "line": 12,
        "resource": "Api",
    }
    assert document["summary"] == {"errors": 0, "warnings": 1, "notes": 0}


def test_sarif_has_rules_results_and_relative_places(tmp_path: Path) -> None:
    """SARIF 2.1.0, sections 3.13 to 3.29: what code hosts need."""
    (tmp_path / "a folder").mkdir()
    write(tmp_path / "a folder", template=OPEN, broken=BROKEN)

    done = scopegate("check", "--sarif", "a folder/template.yaml", "a folder/broken.yaml", cwd=tmp_path)

    document = json.loads(done.stdout)
    assert (done.returncode, done.stderr, document["version"]) == (1, "", "2.1.0")
    assert document["$schema"].endswith("/sarif-schema-2.1.0.json")
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert {rule["id"]: rule["defaultConfiguration"]["level"] for rule in rules} == {
        rule: known.severity for rule, known in RULES.items()
    }
    shown = [
        (
            result["level"],
            rules[result["ruleIndex"]]["id"] == result["ruleId"],
            result["locations"][0]["physicalLocation"]["artifactLocation"],
            result["locations"][0]["physicalLocation"]["region"],
        )
        for result in run["results"]
    ]
    base = {"uriBaseId": "%SRCROOT%"}
    assert shown == [
        ("warning", True, {"uri": "a%20folder/template.yaml", **base}, {"startLine": 12}),
        ("error", True, {"uri": "a%20folder/broken.yaml", **base}, {"startLine": 5}),
    ]
    assert set(run["originalUriBaseIds"]) == {"%SRCROOT%"}
    assert "Mend it with:" in run["results"][0]["message"]["text"]


def test_the_same_file_gives_the_same_words(tmp_path: Path) -> None:
    """Ids that a deployment makes up never show: a diff of two runs is a change of the template."""
    file = str(ROOT / "examples" / "orders" / "template.yaml")

    runs = [scopegate("check", format_, file, anew=anew) for anew in (False, True) for format_ in ("--json", "--sarif")]

    assert [(run.returncode, run.stderr) for run in runs] == [(0, "")] * 4
    assert (runs[0].stdout, runs[1].stdout) == (runs[2].stdout, runs[3].stdout)


def test_a_rule_is_ignored_by_resource_or_by_flag(tmp_path: Path) -> None:
    metadata = OPEN.replace(
        "    Properties:\n      Name", "    Metadata: {scopegate: {ignore: [open-route]}}\n    Properties:\n      Name"
    )
    write(
        tmp_path,
        plain=OPEN,
        metadata=metadata,
        broken=BROKEN.replace("    Properties", "    Metadata: {scopegate: {ignore: [refused]}}\n    Properties"),
    )

    _, plain = found(tmp_path, "--ignore", "open-route", "plain.yaml")
    _, by_resource = found(tmp_path, "metadata.yaml")
    code, broken = found(tmp_path, "broken.yaml")

    for document in (plain, by_resource):
        assert (document["findings"], document["files"][0]["ignored"]) == ([], 1)
    assert (code, [finding["rule"] for finding in broken["findings"]]) == (1, ["refused"])


def test_files_are_checked_each_by_itself_but_for_what_they_import(tmp_path: Path) -> None:
    """Two files that could not stand in one account are both well; an import finds its export in whatever order."""
    domain = POOL.replace(
        "Outputs:",
        "  Domain: {Type: AWS::Cognito::UserPoolDomain, Properties: {Domain: one, UserPoolId: !Ref Pool}}\nOutputs:",
    )
    write(tmp_path, importing=IMPORTING, one=domain, two=domain.replace("the-pool", "other"), broken=BROKEN)

    code, together = found(tmp_path, "--param", "Name=x", "importing.yaml", "one.yaml", "two.yaml", "broken.yaml")
    alone_code, alone = found(tmp_path, "importing.yaml")

    assert [file["file"] for file in together["files"]] == ["importing.yaml", "one.yaml", "two.yaml", "broken.yaml"]
    assert (code, [finding["file"] for finding in together["findings"]]) == (1, ["broken.yaml"])
    assert alone_code == 1
    assert alone["findings"][0]["message"] == "No export named the-pool found"


def test_unknown_types_may_be_left_out(tmp_path: Path) -> None:
    write(tmp_path, template=POOL.replace("Outputs:", "  Lens: {Type: AWS::Telescope::Lens}\nOutputs:"))

    refused, _ = found(tmp_path, "template.yaml")
    code, document = found(tmp_path, "--skip-unknown", "template.yaml")

    assert (refused, code, document["findings"]) == (1, 0, [])
    assert any("Lens" in note for note in document["files"][0]["notes"])


@pytest.fixture
def port_with_nobody() -> Iterator[tuple[int, list[bytes]]]:
    """A port that notes whoever connects."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)
        stopping = threading.Event()

        def note() -> None:
            while not stopping.is_set():
                try:
                    connection, _ = listening.accept()
                except TimeoutError:
                    continue
                with connection:
                    seen.append(connection.recv(100))

        thread = threading.Thread(target=note)
        thread.start()
        yield listening.getsockname()[1], seen
        stopping.set()
        thread.join()


def test_nothing_is_run_fetched_built_or_written(tmp_path: Path, port_with_nobody: tuple[int, list[bytes]]) -> None:
    """The function would write a file, as would modules beside it that are named as ours; the issuer notes whoever
    asks, and requirements would be fetched."""
    port, seen = port_with_nobody
    project, temporary = tmp_path / "project", tmp_path / "temporary"
    (project / "src").mkdir(parents=True)
    temporary.mkdir()
    (project / "src/app.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\ndef handler(event, context): pass\n")
    for name in ("boto3", "json", "samtranslator"):
        (project / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (project / "src/requirements.txt").write_text("a-package-that-nobody-has==1.0\n")
    (project / "template.yaml").write_text(f"""
Transform: AWS::Serverless-2016-10-31
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: app.handler
      CodeUri: src/
      Events: {{Get: {{Type: HttpApi, Properties: {{ApiId: !Ref Api, Path: /orders, Method: GET}}}}}}
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Elsewhere
        Authorizers:
          Elsewhere:
            IdentitySource: $request.header.Authorization
            JwtConfiguration: {{issuer: "http://127.0.0.1:{port}", audience: [orders]}}
""")
    before = sorted(path for path in project.rglob("*"))
    home = {"HOME": str(tmp_path / "home"), "TMPDIR": str(temporary)}

    done = scopegate("check", "template.yaml", cwd=project, environment=home)

    assert (done.returncode, done.stderr) == (0, "")
    assert "[foreign-issuer]" in done.stdout
    assert seen == []
    assert sorted(path for path in project.rglob("*")) == before
    assert [path for path in tmp_path.iterdir() if path not in (project, temporary)] == []
    assert os.listdir(temporary) == []


def test_words_of_a_template_are_not_words_to_the_terminal(tmp_path: Path) -> None:
    """No escape sequence, and no line that begins as the template likes: build services take commands from such."""
    write(tmp_path, template=BROKEN.replace("UserPoolNme: x", r'UserPoolName: "\e[31mred\n::error::x"'))

    done = scopegate("check", "template.yaml", cwd=tmp_path)

    assert done.returncode == 1
    assert "\n    | ::error::x' at 'poolName'" in done.stdout
    assert "\x1b" not in done.stdout


def test_every_rule_is_explained_in_the_manual() -> None:
    page = (ROOT / "docs" / "check.md").read_text()
    sections = dict(re.findall(r"^## ([a-z]+(?:-[a-z]+)*)\n\n(.+)$", page, re.MULTILINE))
    table = dict(re.findall(r"^\| \[([a-z-]+)\]\(#\1\) \| (\w+) \|", page, re.MULTILINE))

    assert sections == {rule: known.says for rule, known in RULES.items()}
    assert table == {rule: known.severity for rule, known in RULES.items()}
