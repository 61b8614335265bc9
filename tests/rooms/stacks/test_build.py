"""Code of templates: what goes up of each form, what is installed and bundled before, and what is not.

Source: AWS SAM, CodeUri, ContentUri, BuildMethod; reference, lambda page, "Code packages" and "Code.ZipFile inline".
"""

import io
import json
import os
import re
import shutil
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scopegate.stacks.build import package
from scopegate.stacks.read import read_template
from tests.node import bin_directory
from tests.operators import Production, scopegate
from tests.server import ACCOUNT, ROLE, Server, zipped

ESBUILD = Path(__file__).parents[2] / "wire" / "node" / "node_modules" / ".bin"
SAYS = "def handler(event, context):\n    return {}\n"


class Project:
    """A folder with a template of one function, deployed by the command line into the shared server."""

    def __init__(self, server: Server, folder: Path, name: str) -> None:
        self.server = server
        self.folder = folder
        self.name = name
        self.cache = folder.parent / "cache"
        self.environment = {"AWS_ENDPOINT_URL": server.url, "SCOPEGATE_CACHE_DIR": str(self.cache)}

    def write(self, files: dict[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def template(
        self, properties: str, *, handler: str = "app.handler", metadata: str = "", more: str = "", head: str = ""
    ) -> None:
        """A SAM template; properties, metadata: of the function `Fn`, in YAML's flow style."""
        lines = [
            "Transform: AWS::Serverless-2016-10-31",
            head,
            "Resources:",
            "  Fn:",
            "    Type: AWS::Serverless::Function",
            f"    Metadata: {{{metadata}}}",
            f"    Properties: {{Handler: {handler}, Timeout: 20, {properties}}}",
            more,
            "Outputs: {Fn: {Value: !Ref Fn}}",
        ]
        self.write({"template.yaml": "\n".join(line for line in lines if line) + "\n"})

    def run(self, *options: str, file: str = "template.yaml", **environment: str) -> "subprocess.CompletedProcess[str]":
        command = ("deploy", str(self.folder / file), "--name", self.name, *options)
        return scopegate(*command, environment={**self.environment, **environment}, timeout=110)

    def deploy(self, *options: str, **more: str) -> str:
        """What was shown of a deployment that succeeds."""
        done = self.run(*options, **more)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    def refused(self, *options: str, **more: str) -> str:
        """What was said of one that never began."""
        done = self.run(*options, **more)
        assert done.returncode == 2, done.stdout + done.stderr
        return done.stderr

    def call(self) -> Any:
        """What the function answers, or the error that it ends with."""
        found = scopegate("outputs", self.name, "--json", environment=self.environment)
        answer = self.server.aws("lambda").invoke(FunctionName=json.loads(found.stdout)["Fn"])
        return json.loads(answer["Payload"].read())


@pytest.fixture
def project(server: Server, tmp_path: Path, request: pytest.FixtureRequest) -> Project:
    name = re.sub(r"[^a-zA-Z0-9]+", "-", request.node.name)[:60].strip("-")
    return Project(server, tmp_path / "project", name)


def python(text: str) -> str:
    """A handler that answers the value of an expression."""
    return f"import os\ndef handler(event, context):\n    return {text}\n"


def wheel(name: str, version: str, source: str) -> bytes:
    """A distribution of one module, as a wheel."""
    info = f"{name}-{version}.dist-info"
    return zipped(
        {
            f"{name}.py": source,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
        }
    )


GREETINGS = {
    "code/requirements.txt": "# what greets\n./wheels/greetings-1.0-py3-none-any.whl\n",
    "code/wheels/greetings-1.0-py3-none-any.whl": wheel("greetings", "1.0", "TEXT = 'hello'\n"),
    "code/app.py": "import greetings\ndef handler(event, context):\n    return greetings.TEXT\n",
}


# Forms


@pytest.mark.parametrize(
    ("properties", "head", "files"),
    [
        ("CodeUri: code/", "", {"code/app.py": python("'hi'")}),
        ("MemorySize: 256", "", {"app.py": python("'hi'")}),
        ("MemorySize: 256", "Globals: {Function: {CodeUri: shared}}", {"shared/app.py": python("'hi'")}),
        ("CodeUri: code.zip", "", {"code.zip": zipped({"app.py": python("'hi'")})}),
        ("CodeUri: app.py", "", {"app.py": python("'hi'")}),
        ("CodeUri: target/app.jar", "", {"target/app.jar": zipped({"app.py": python("'hi'")})}),
        (r'InlineCode: "def handler(event, context):\n    return \"hi\""', "", {}),
    ],
    ids=["folder", "the template's folder", "Globals", "zip", "one file", "jar", "inline"],
)
def test_code_goes_up_in_each_form(project: Project, properties: str, head: str, files: dict[str, str | bytes]) -> None:
    project.write(files)
    handler = "index.handler" if "InlineCode" in properties else "app.handler"
    project.template(f"Runtime: python3.12, {properties}", handler=handler, head=head)

    project.deploy()

    assert project.call() == "hi"


def test_code_of_a_plain_function_may_be_a_local_path(project: Project) -> None:
    """As `aws cloudformation package` takes it."""
    project.write({"code/app.py": python("'hi'")})
    project.write(
        {
            "template.yaml": f"""
Resources:
  Fn:
    Type: AWS::Lambda::Function
    Properties: {{Runtime: python3.12, Handler: app.handler, Role: "{ROLE}", Code: code}}
Outputs: {{Fn: {{Value: !Ref Fn}}}}
"""
        }
    )

    project.deploy()

    assert project.call() == "hi"


def test_a_bootstrap_runs_from_its_folder(project: Project) -> None:
    """`provided`: the package brings what runs it, and its mode goes with it."""
    script = """#!/bin/sh
while true; do
  curl -s -D "$TMPDIR/head" -o /dev/null "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next"
  id=$(grep -i lambda-runtime-aws-request-id "$TMPDIR/head" | tr -d '\\r' | cut -d' ' -f2)
  curl -s -X POST "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response" -d '"from a shell"'
done
"""
    project.write({"code/bootstrap": script.replace("$TMPDIR", "/tmp")})
    (project.folder / "code/bootstrap").chmod(0o755)
    project.template("Runtime: provided.al2023, CodeUri: code")

    project.deploy()

    assert project.call() == "from a shell"


def test_what_sam_has_built_is_not_built_again(project: Project) -> None:
    """Its folders have a requirements.txt beside what it installed."""
    built = ".aws-sam/build"
    project.template("Runtime: python3.12, CodeUri: Fn", metadata="SamResourceId: Fn")
    project.write(
        {
            f"{built}/template.yaml": (project.folder / "template.yaml").read_text(),
            f"{built}/Fn/requirements.txt": "--no-index\nnowhere-to-be-had==1.0\n",
            f"{built}/Fn/app.py": python("'built'"),
        }
    )

    shown = project.deploy(file=f"{built}/template.yaml")

    assert "installing" not in shown
    assert project.call() == "built"


def test_links_inside_stay_links_and_those_that_lead_out_are_followed(project: Project) -> None:
    """Lambda takes no link that leaves the package; `sam` puts in what it leads to."""
    project.write({"shared/words.py": "TEXT = 'shared'\n", "code/one/first.py": "N = 1\n"})
    code = project.folder / "code"
    (code / "words.py").symlink_to(project.folder / "shared/words.py")
    (code / "outside").symlink_to("../shared", target_is_directory=True)
    (code / "two").symlink_to("one", target_is_directory=True)
    (code / "nowhere").symlink_to("/nowhere")
    (code / "round").symlink_to("../code", target_is_directory=True)
    answer = "[words.TEXT, os.path.islink(here + '/words.py'), sorted(os.listdir(here + '/outside')), "
    answer += "os.path.islink(here + '/two'), os.path.exists(here + '/round/app.py')]"
    project.write({"code/app.py": "import words\nhere = __file__.rpartition('/')[0]\n" + python(answer)})
    project.template("Runtime: python3.12, CodeUri: code")

    project.deploy()

    assert project.call() == ["shared", False, ["words.py"], True, False]


def test_code_that_is_not_there_is_named_with_its_line(project: Project) -> None:
    project.template("Runtime: python3.12, CodeUri: nowhere")

    said = project.refused()

    assert re.search(r"template\.yaml:6: The code \S+/nowhere is not there", said), said


# Dependencies of Python


def test_requirements_are_installed_once_whatever_happens_to_the_source(project: Project) -> None:
    project.write(GREETINGS)
    project.template("Runtime: python3.12, CodeUri: code")

    first = project.deploy()
    assert re.search(
        r"Fn: installing \S*greetings-1\.0\S* by pip for Python 3\.\d+\n  Fn: installed in [\d.]+ s", first
    )
    assert project.call() == "hello"
    assert not (project.folder / "code/greetings.py").exists()  # the user's folder is left alone

    second = project.deploy()
    assert "installing" not in second
    assert "Update Fn " not in second
    project.write(
        {"code/app.py": "import greetings\ndef handler(event, context):\n    return greetings.TEXT.upper()\n"}
    )
    third = project.deploy()
    assert "installing" not in third
    assert project.call() == "HELLO"

    project.write({"code/wheels/greetings-1.0-py3-none-any.whl": wheel("greetings", "1.0", "TEXT = 'good day'\n")})
    assert "installing" in project.deploy()
    assert project.call() == "GOOD DAY"


def test_a_dry_run_and_no_build_install_nothing(project: Project) -> None:
    project.write(GREETINGS)
    project.template("Runtime: python3.12, CodeUri: code")

    planned = project.deploy("--dry-run")
    plain = project.deploy("--no-build")

    assert "installing" not in planned + plain
    assert not (project.cache / "builds").exists()
    assert project.call()["errorType"] == "Runtime.ImportModuleError"
    project.deploy()
    assert "Keep" in project.deploy("--dry-run")


def test_what_lies_in_the_folder_already_is_taken(project: Project) -> None:
    """As `pip install -t` leaves it."""
    project.write({**GREETINGS, "code/requirements.txt": "--no-index\nGreetings==1.0  # by hand\n"})
    with zipfile.ZipFile(project.folder / "code/wheels/greetings-1.0-py3-none-any.whl") as archive:
        archive.extractall(project.folder / "code")
    project.template("Runtime: python3.12, CodeUri: code")

    shown = project.deploy()

    assert "installing" not in shown
    assert project.call() == "hello"


def test_an_installation_that_fails_is_said_in_the_tools_words(project: Project) -> None:
    project.write({**GREETINGS, "code/requirements.txt": "--no-index\nnowhere-to-be-had==1.0\n"})
    project.template("Runtime: python3.12, CodeUri: code")

    said = project.refused()

    assert re.search(r"template\.yaml:6: Fn: \S+ -m pip failed on \S+/code/requirements\.txt with exit code 1:", said)
    assert "No matching distribution found for nowhere-to-be-had==1.0" in said
    assert list((project.cache / "builds").iterdir()) == []
    assert scopegate("outputs", project.name, environment=project.environment).returncode == 2


def test_two_at_once_share_a_cache(server: Server, project: Project, tmp_path: Path) -> None:
    project.write(GREETINGS)
    project.template("Runtime: python3.12, CodeUri: code")
    other = Project(server, project.folder, project.name + "-too")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda each: each.deploy(), [project, other]))

    assert [project.call(), other.call()] == ["hello", "hello"]
    (_,) = (project.cache / "builds").iterdir()


def test_a_runtime_gets_what_its_own_interpreter_installs(project: Project) -> None:
    """Markers of requirements are decided by the Python that runs the function."""
    project.write(
        {
            **GREETINGS,
            "code/old/greetings-1.0-py3-none-any.whl": wheel("greetings", "1.0", "TEXT = 'old'\n"),
            "code/requirements.txt": "./wheels/greetings-1.0-py3-none-any.whl ; python_version >= '3.12'\n"
            "./old/greetings-1.0-py3-none-any.whl ; python_version < '3.12'\n",
        }
    )
    answers = []
    for runtime in ("python3.11", "python3.12"):
        project.template(f"Runtime: {runtime}, CodeUri: code")
        project.deploy()
        answers.append(project.call())

    assert answers == ["old", "hello"]


# Dependencies of Node.js

NODE = {
    "code/app.js": "exports.handler = async () => require('greetings').text;\n",
    "code/package.json": json.dumps(
        {
            "dependencies": {"greetings": "file:vendor/greetings"},
            "devDependencies": {"unneeded": "file:vendor/unneeded"},
        }
    ),
    "code/vendor/greetings/package.json": '{"name": "greetings", "version": "1.0.0"}',
    "code/vendor/greetings/index.js": "exports.text = 'hello';\n",
    "code/vendor/unneeded/package.json": '{"name": "unneeded", "version": "1.0.0"}',
}


@pytest.fixture
def node_path() -> dict[str, str]:
    return {"PATH": f"{bin_directory()}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("locked", [False, True], ids=["npm install", "npm ci"])
def test_packages_of_node_are_installed_once(project: Project, node_path: dict[str, str], locked: bool) -> None:
    project.write(NODE)
    if locked:
        command = [bin_directory() / "npm", "install", "--package-lock-only", "--no-audit", "--install-links"]
        subprocess.run(command, cwd=project.folder / "code", env={**os.environ, **node_path}, check=True)
    project.template("Runtime: nodejs22.x, CodeUri: code")

    first = project.deploy(**node_path)
    assert re.search(r"Fn: installing greetings@file:vendor/greetings by npm for Node\.js \d+", first)
    assert project.call() == "hello"
    assert not (project.folder / "code/node_modules").exists()
    (installed,) = (project.cache / "builds").glob("*/node_modules")
    assert sorted(path.name for path in installed.iterdir() if path.name[0] != ".") == ["greetings"]
    project.write({"code/app.js": "exports.handler = async () => require('greetings').text + '!';\n"})

    assert "installing" not in project.deploy(**node_path)
    assert project.call() == "hello!"


def test_without_npm_the_way_to_get_it_is_said(project: Project, tmp_path: Path) -> None:
    project.write(NODE)
    (tmp_path / "bin").mkdir()
    shutil.copy((bin_directory() / "node").resolve(), tmp_path / "bin/node")
    major = subprocess.run([tmp_path / "bin/node", "--version"], capture_output=True, text=True, check=True).stdout
    project.template(f"Runtime: nodejs{major[1:].partition('.')[0]}.x, CodeUri: code")

    said = project.refused(PATH=str(tmp_path / "bin"), HOME=str(tmp_path))

    assert "npm is needed to install package.json" in said
    assert "apt install npm" in said


# Other builds


def test_esbuild_bundles_what_the_metadata_asks_for(project: Project, node_path: dict[str, str]) -> None:
    """The bundle is all that goes up, as an ES module where that is asked for, and the handler is found in it."""
    project.write(
        {
            "code/src/app.ts": "import {text} from './words';\nexport const handler = async () => text;\n",
            "code/src/words.ts": "export const text: string = 'bundled';\n",
        }
    )
    (project.folder / "node_modules").mkdir()
    (project.folder / "node_modules/.bin").symlink_to(ESBUILD)
    options = "Minify: false, Target: es2022, Format: esm, OutExtension: [.js=.mjs], Sourcemap: true, "
    project.template(
        "Runtime: nodejs22.x, CodeUri: code",
        handler="src/app.handler",
        metadata=f"BuildMethod: esbuild, BuildProperties: {{{options} EntryPoints: [src/app.ts]}}",
    )

    project.deploy(**node_path)

    assert project.call() == "bundled"
    functions = project.server.aws("lambda")
    name = json.loads(scopegate("outputs", project.name, "--json", environment=project.environment).stdout)["Fn"]
    described = functions.get_function(FunctionName=name)
    assert described["Configuration"]["Environment"]["Variables"] == {"NODE_OPTIONS": "--enable-source-maps"}
    packed = project.server.http(
        "GET", described["Code"]["Location"].partition(project.server.url.rpartition(":")[2])[2]
    )
    with zipfile.ZipFile(io.BytesIO(packed.content)) as archive:
        assert sorted(archive.namelist()) == ["app.mjs", "app.mjs.map"]
        assert b"export {" in archive.read("app.mjs")


def test_a_bundle_takes_the_packages_that_were_installed_for_it(project: Project, node_path: dict[str, str]) -> None:
    """A dry run, which installs nothing, cannot bundle and does not complain."""
    project.write(
        {**NODE, "code/app.ts": "import {text} from 'greetings';\nexport const handler = async () => text;\n"}
    )
    (project.folder / "node_modules").mkdir()
    (project.folder / "node_modules/.bin").symlink_to(ESBUILD)
    metadata = "BuildMethod: esbuild, BuildProperties: {EntryPoints: [app.ts]}"
    project.template("Runtime: nodejs22.x, CodeUri: code", metadata=metadata)

    planned = project.deploy("--dry-run", **node_path)
    assert "installing" not in planned
    deployed = project.deploy(**node_path)

    assert "installing greetings@file:vendor/greetings" in deployed
    assert project.call() == "hello"


def test_esbuild_beside_the_code_is_found_from_another_folder(project: Project, node_path: dict[str, str]) -> None:
    project.write({"code/app.ts": "export const handler = async (): Promise<string> => 'beside';\n"})
    (project.folder / "code/node_modules").mkdir()
    (project.folder / "code/node_modules/.bin").symlink_to(ESBUILD)
    metadata = "BuildMethod: esbuild, BuildProperties: {EntryPoints: [app.ts]}"
    project.template("Runtime: nodejs22.x, CodeUri: code", metadata=metadata)

    file = f"{project.folder.name}/template.yaml"
    environment = {**project.environment, **node_path}
    done = scopegate("deploy", file, "--name", project.name, environment=environment, cwd=project.folder.parent)

    assert done.returncode == 0, done.stderr
    assert project.call() == "beside"


@pytest.mark.parametrize(
    ("metadata", "files", "said"),
    [
        ("BuildMethod: esbuild, BuildProperties: {EntryPoints: [app.ts]}", {}, "npm install --save-dev esbuild"),
        ("BuildMethod: esbuild", {}, "needs BuildProperties with EntryPoints"),
        ("BuildMethod: esbuild, BuildProperties: {Entrypoint: a}", {}, "BuildProperties of esbuild have no Entrypoint"),
        ("BuildMethod: rust-cargolambda", {}, "BuildMethod rust-cargolambda is not run here"),
        ("BuildMethod: makefile", {}, "code/Makefile, which is not there"),
        (
            "BuildMethod: makefile",
            {"code/Makefile": "build-Fn:\n\t@echo broken; exit 3\n"},
            r"make --makefile Makefile failed on \S+/code/Makefile with exit code 2:\n    broken",
        ),
    ],
)
def test_a_build_that_cannot_be_says_why(
    project: Project, tmp_path: Path, metadata: str, files: dict[str, str | bytes], said: str
) -> None:
    project.write({"code/app.ts": "export const handler = async () => 1;\n", **files})
    project.template("Runtime: nodejs22.x, CodeUri: code", metadata=metadata)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/make").symlink_to(str(shutil.which("make")))
    (tmp_path / "bin/sh").symlink_to(str(shutil.which("sh")))

    message = project.refused(PATH=str(tmp_path / "bin"))

    assert re.search(rf"template\.yaml:6: Fn: .*{said}", message), message


def test_a_makefile_builds_into_the_place_that_sam_names(project: Project) -> None:
    project.write(
        {
            "code/app.template": "def handler(event, context):\n    return 'made'\n",
            "code/Makefile": "build-Fn:\n\tcp app.template made.py\n\tcp made.py $(ARTIFACTS_DIR)/app.py\n",
        }
    )
    project.template("Runtime: python3.12, CodeUri: code", metadata="BuildMethod: makefile")

    project.deploy()

    assert project.call() == "made"
    assert not (project.folder / "code/made.py").exists()  # it works on a copy


# Layers


def test_layers_of_sam_lie_where_functions_find_them(project: Project) -> None:
    """A folder as it is, a zip, and one that is built; by `Globals` as well."""
    project.write(
        {
            **{name.replace("code/", "built/"): content for name, content in GREETINGS.items()},
            "plain/python/plain.py": "TEXT = 'plain'\n",
            "zipped.zip": zipped({"python/packed.py": "TEXT = 'packed'\n"}),
            "code/app.py": "import greetings, packed, plain\n"
            + python("[greetings.TEXT, packed.TEXT, plain.TEXT, os.path.isfile('/opt/python/app.py')]"),
        }
    )
    project.template(
        "Runtime: python3.12, CodeUri: code, Layers: [!Ref Built, !Ref Zipped]",
        head="Globals: {Function: {Layers: [!Ref Plain]}}",
        more="""
  Built:
    Type: AWS::Serverless::LayerVersion
    Metadata: {BuildMethod: python3.12}
    Properties: {ContentUri: built, RetentionPolicy: Delete}
  Plain:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: plain, RetentionPolicy: Delete}
  Zipped:
    Type: AWS::Lambda::LayerVersion
    Properties: {Content: zipped.zip}
""",
    )

    first = project.deploy()

    assert "Built: installing" in first
    assert project.call()[:3] == ["hello", "packed", "plain"]
    project.write({"plain/python/plain.py": "TEXT = 'changed'\n"})
    second = project.deploy()
    assert "installing" not in second
    assert project.call()[:3] == ["hello", "packed", "changed"]
    assert scopegate("delete", project.name, environment=project.environment).returncode == 0


# Sizes and owners


def test_a_package_beyond_the_limit_of_a_direct_upload_goes_up(project: Project) -> None:
    """Reference, "Code packages": 50 MB bind what a call brings along; in S3 it is bound by what it unpacks to."""
    project.write(
        {
            "code/app.py": python("os.path.getsize(__file__.replace('app.py', 'data'))"),
            "code/data": os.urandom(60_000_000),
        }
    )
    project.template("Runtime: python3.12, CodeUri: code")

    project.deploy()

    assert project.call() == 60_000_000


def test_a_large_package_reaches_a_server_of_several_processes(production: Production, tmp_path: Path) -> None:
    """In production mode an edge hands it to control, with its signature, and the runner has it from the store."""
    project = Project(production.server, tmp_path / "project", "large-in-production")
    project.environment |= production.key.environment
    project.write({"code/app.py": python("os.path.getsize(__file__.replace('app.py', 'data'))")})
    project.write({"code/data": os.urandom(90_000_000)})
    project.template("Runtime: python3.12, CodeUri: code")

    project.deploy()

    functions = production.aws("lambda")
    (name,) = [
        each["FunctionName"]
        for each in functions.list_functions()["Functions"]
        if each["FunctionName"].startswith("large-in-production")
    ]
    assert json.loads(functions.invoke(FunctionName=name)["Payload"].read()) == 90_000_000


def test_functions_of_one_folder_have_one_package(project: Project) -> None:
    project.write({"code/app.py": python("'one'"), "code/other.py": python("'two'")})
    project.template(
        "Runtime: python3.12, CodeUri: code",
        more="  Other:\n    Type: AWS::Serverless::Function\n"
        "    Properties: {Runtime: python3.12, CodeUri: code, Handler: other.handler}",
    )

    project.deploy()

    functions = project.server.aws("lambda")
    names = [each["FunctionName"] for each in functions.list_functions()["Functions"]]
    ours = sorted(name for name in names if name.startswith(project.name))
    answers = [functions.invoke(FunctionName=name)["Payload"].read() for name in ours]
    digests = {functions.get_function(FunctionName=name)["Configuration"]["CodeSha256"] for name in ours}
    assert (answers, len(digests)) == ([b'"one"', b'"two"'], 1)


def test_what_unpacks_to_more_than_lambda_takes_is_refused(project: Project) -> None:
    """Before anything is sent where the files are here, and by the server where they are in an archive."""
    project.write({"code/app.py": SAYS})
    with (project.folder / "code/data").open("wb") as file:
        file.truncate(262_144_000)
    project.template("Runtime: python3.12, CodeUri: code")

    folder = project.refused()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(project.folder / "code/data", "data")
        archive.writestr("app.py", SAYS)
    project.write({"code.zip": packed.getvalue()})
    project.template("Runtime: python3.12, CodeUri: code.zip")
    archived = project.run()

    assert re.search(r"template\.yaml:6: Fn: Unzipped size must be smaller than 262144000 bytes", folder)
    assert archived.returncode == 1
    assert "Unzipped size must be smaller than 262144000 bytes" in archived.stderr


def test_uploads_are_of_one_account(server: Server, project: Project) -> None:
    """A digest names a package for those who sent it, and for nobody else."""
    project.write({"code/app.py": python("'mine'")})
    project.template("Runtime: python3.12, CodeUri: code")
    project.deploy()
    sent = {path.name for path in (server.data_dir / "artifacts" / ACCOUNT).iterdir()}
    template = read_template((project.folder / "template.yaml").read_text(), str(project.folder / "template.yaml"))
    key = package(None, template)["Fn"]["CodeUri"].rpartition("/")[2]
    assert key in sent

    def create(account: str, bucket: str = "scopegate-artifacts", key: str = key) -> Any:
        return server.aws("lambda", key=account).create_function(
            FunctionName="borrows",
            Runtime="python3.12",
            Handler="app.handler",
            Role=f"arn:aws:iam::{account}:role/functions",
            Code={"S3Bucket": bucket, "S3Key": key},
        )

    for wrong, code in (
        ({"account": "111122223333"}, "NoSuchKey"),
        ({"account": ACCOUNT, "key": "../../master.key"}, "NoSuchKey"),
        ({"account": ACCOUNT, "bucket": "elsewhere"}, "NoSuchBucket"),
    ):
        with pytest.raises(ClientError, match=f"Error occurred while GetObject. S3 Error Code: {code}"):
            create(**wrong)
    assert create(ACCOUNT)["CodeSize"] > 0
    server.aws("lambda").delete_function(FunctionName="borrows")
