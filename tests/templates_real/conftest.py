"""Templates of other people, deployed by the command as they are, and taken away after the test."""

import itertools
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.node import bin_directory
from tests.operators import scopegate
from tests.rooms.stacks.driver import NOTHING, inventory
from tests.server import Server, start

_NUMBERS = itertools.count(1)
TEMPLATES = Path(__file__).parent.parent / "templates"


@dataclass
class Deployed:
    """A template that is up. before: the pools that were there before it; made: its own. shown: by the command."""

    server: Server
    name: str
    file: Path
    before: set[str]
    made: set[str] = field(default_factory=set)
    shown: str = ""
    outputs: dict[str, Any] = field(default_factory=dict)

    def deploy(self, **parameters: str) -> None:
        given = [part for key, value in parameters.items() for part in ("--param", f"{key}={value}")]
        done = scopegate("deploy", str(self.file), "--name", self.name, *given, *self._endpoint, cwd=self.file.parent)
        assert done.returncode == 0, done.stdout + done.stderr
        self.shown = done.stdout
        self.made |= set(_pools(self.server)) - self.before
        self.outputs = json.loads(scopegate("outputs", self.name, "--json", *self._endpoint).stdout)

    def refused(self, **parameters: str) -> str:
        """What the command says of a deployment that does not begin."""
        given = [part for key, value in parameters.items() for part in ("--param", f"{key}={value}")]
        done = scopegate("deploy", str(self.file), "--name", self.name, *given, *self._endpoint, cwd=self.file.parent)
        assert done.returncode == 2, done.stdout + done.stderr
        return done.stderr

    def delete(self) -> None:
        done = scopegate("delete", self.name, *self._endpoint)
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def _endpoint(self) -> tuple[str, str]:
        return "--endpoint", self.server.url

    # What it gives, from outside

    @property
    def api_id(self) -> str:
        """The one API that it made."""
        made = inventory(self.server, self.name)
        (api_id,) = made["rest"] + made["http"]
        return api_id

    @property
    def pool_ids(self) -> list[str]:
        """The user pools that it made and that are there, in the order of their ids."""
        return sorted(self.made & set(_pools(self.server)))

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """By the host name that AWS would give it, the path below the stage included."""
        return self.server.http(method, path, host=f"{self.api_id}.execute-api.localhost:{self.server.port}", **more)

    def statuses(self, *calls: tuple[str, str, dict[str, str]]) -> list[int]:
        """Of calls, each a method, a path with its query, and headers."""
        return [self.call(method, path, headers=headers).status_code for method, path, headers in calls]

    def machine_token(self, pool_id: str) -> str:
        """A token of another client of a pool, with a scope that the template does not know."""
        idp = self.server.aws("cognito-idp")
        identifier = f"other-{next(_NUMBERS)}"
        scopes = [{"ScopeName": "read", "ScopeDescription": "read"}]
        idp.create_resource_server(UserPoolId=pool_id, Identifier=identifier, Name=identifier, Scopes=scopes)
        client = idp.create_user_pool_client(
            UserPoolId=pool_id,
            ClientName="other",
            GenerateSecret=True,
            AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthScopes=[f"{identifier}/read"],
            AllowedOAuthFlowsUserPoolClient=True,
        )["UserPoolClient"]
        answer = self.server.token(client)
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["access_token"]
        return token

    def foreign_token(self) -> str:
        """A token of a pool that has nothing to do with the template."""
        pool_id = self.server.aws("cognito-idp").create_user_pool(PoolName="foreign")["UserPool"]["Id"]
        self.before.add(pool_id)
        return self.machine_token(pool_id)


def _pools(server: Server) -> list[str]:
    pages = server.aws("cognito-idp").get_paginator("list_user_pools").paginate(MaxResults=60)
    return [pool["Id"] for page in pages for pool in page["UserPools"]]


@pytest.fixture(scope="session")
def node_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that finds Node.js, for most of these templates want it."""
    path = f"{bin_directory()}{os.pathsep}{os.environ['PATH']}"
    running = start(("serve", "--dev"), tmp_path_factory.mktemp("templates"), {"PATH": path})
    yield running
    assert running.stop() == 0
    assert "Traceback" not in (running.data_dir / "server.log").read_text()


@pytest.fixture(scope="module")
def real(node_server: Server) -> Iterator[Callable[..., Deployed]]:
    """Deploys a template by its folder: `real("m2m-rest-scopes")`; `_file`: another than template.yaml.

    What a test changes it deploys for itself; what tests only look at is deployed once for all of a module.
    """
    up: list[Deployed] = []

    def deploy(folder: str, _file: str = "template.yaml", **parameters: str) -> Deployed:
        name = f"{folder}-{len(up) + 1}"
        deployed = Deployed(node_server, name, TEMPLATES / folder / _file, before=set(_pools(node_server)))
        up.append(deployed)
        deployed.deploy(**parameters)
        return deployed

    yield deploy
    for deployed in up:
        if scopegate("outputs", deployed.name, "--endpoint", node_server.url).returncode == 0:
            deployed.delete()
        left = {kind: ids for kind, ids in inventory(node_server, deployed.name).items() if kind != "pools"}
        assert left == {kind: ids for kind, ids in NOTHING.items() if kind != "pools"}
