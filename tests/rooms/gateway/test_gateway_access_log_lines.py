"""Lines of access logs hold whatever a caller sends as values, and nothing else. Source: attack row G17."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scopegate.observe.groups import Group, LogGroups
from tests.rooms.gateway.driver import ACCOUNT, REGION, Gateway, lambda_method

VALUES = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), min_size=1).filter(
    lambda text: text.strip()
)
FORMAT = (
    '{"id":"$context.requestId", "a\\"$context.stage":"$context.identity.userAgent", "n":[$context.status], "z":"\\\\"}'
)


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory) -> LogGroups:
    return LogGroups(tmp_path_factory.mktemp("groups"))


def logging_to(groups: LogGroups, template: str, name: str) -> Gateway:
    gateway = Gateway()
    gateway.edge = replace(gateway.edge, log_groups=groups)
    log = {"destinationArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}", "format": template}
    gateway.put_rest({"/o": {"GET": lambda_method()}}, stage={"accessLogSettings": log})
    return gateway


def written(groups: LogGroups, name: str, since: int = 0) -> tuple[list[str], int]:
    groups.flush()
    lines, now = groups.read(Group(ACCOUNT, REGION, name), 10, since)
    return [line.removesuffix("\n") for line in lines], now


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(VALUES)
def test_a_value_in_json_is_read_back_as_it_was(groups: LogGroups, value: str) -> None:
    gateway = logging_to(groups, FORMAT, "json")
    _, before = written(groups, "json")

    gateway.call("GET", "/prod/nowhere", {"User-Agent": value})

    ((line,), _) = written(groups, "json", before)
    found = json.loads(line)
    assert found.keys() == {"id", 'a"prod', "n", "z"}
    assert (found['a"prod'], found["n"], found["z"]) == (value, [403], "\\")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(VALUES)
def test_a_value_in_text_is_on_one_line(groups: LogGroups, value: str) -> None:
    gateway = logging_to(groups, "begin $context.identity.userAgent end", "text")
    _, before = written(groups, "text")

    gateway.call("GET", "/prod/nowhere", {"User-Agent": value})

    ((line,), _) = written(groups, "text", before)
    assert line.startswith("begin ")
    assert line.endswith(" end")


def test_a_full_file_moves_aside_and_reading_goes_on(tmp_path: Path) -> None:
    groups, group = LogGroups(tmp_path), Group(ACCOUNT, REGION, "a/b#c")
    for number in range(3):
        groups.add(group, f"{number}" * 6_000_000)
        groups.flush()
    groups.add(group, "last")
    groups.flush()

    lines, now = groups.read(group, 5, 12_000_000)

    assert (lines[-1], groups.names(ACCOUNT, REGION)) == ("last\n", ["a/b#c"])
    assert now < 12_000_000
    assert len(list(tmp_path.rglob("*.log*"))) == 2


def test_a_long_name_is_a_group_too(tmp_path: Path) -> None:
    groups, group = LogGroups(tmp_path), Group(ACCOUNT, REGION, "x/" * 256)
    groups.add(group, "line")
    groups.flush()

    assert groups.read(group, 5, None) == (["line\n"], 5)
