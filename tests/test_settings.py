"""Flags over environment over defaults; a wrong setting is a sentence for the operator."""

from pathlib import Path

import pytest

from scopegate.base.errors import SetupError
from scopegate.base.settings import Settings, read_settings, settings_from_json, settings_to_json


def test_flag_wins_over_environment_wins_over_default() -> None:
    environment = {"SCOPEGATE_PORT": "5000", "SCOPEGATE_WORKERS": "3", "SCOPEGATE_STRICT_RUNTIMES": "true"}

    settings = read_settings({"port": 6000, "ephemeral": False, "egress_allow": ["10.0.0.0/8"]}, environment)

    assert (settings.port, settings.workers, settings.strict_runtimes) == (6000, 3, True)
    assert (settings.host, settings.ephemeral, settings.egress_allow) == ("127.0.0.1", False, ("10.0.0.0/8",))


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"SCOPEGATE_ISSUER_URL": "localhost"}, "SCOPEGATE_ISSUER_URL must be an http(s) URL, got 'localhost'"),
        ({"SCOPEGATE_PORT": "http"}, "SCOPEGATE_PORT must be a whole number, got 'http'"),
        ({"SCOPEGATE_PORT": "70000"}, "--port must be 0 to 65535, got 70000"),
        ({"SCOPEGATE_WORKERS": "0"}, "--workers must be at least 1, got 0"),
        ({"SCOPEGATE_AWS_QUOTAS": "maybe"}, "SCOPEGATE_AWS_QUOTAS must be true or false, got 'maybe'"),
    ],
)
def test_wrong_setting_is_named(environment: dict[str, str], words: str) -> None:
    with pytest.raises(SetupError, match="settings: ") as refusal:
        read_settings({}, environment)

    assert words in str(refusal.value)


def test_settings_travel_to_another_process() -> None:
    settings = Settings(data_dir=Path("/var/lib/scopegate"), public_hosts=("api",), workers=2)

    assert settings_from_json(settings_to_json(settings)) == settings


def test_paths_are_paths_wherever_they_come_from() -> None:
    environment = {"SCOPEGATE_DATA_DIR": "/var/lib/scopegate", "SCOPEGATE_TEST_CLOCK": "/run/clock"}

    settings = read_settings({}, environment)

    assert (settings.data_dir, settings.test_clock) == (Path("/var/lib/scopegate"), Path("/run/clock"))


def test_port_0_is_a_choice() -> None:
    assert read_settings({"port": 0}, {}).port == 0
    assert read_settings({}, {"SCOPEGATE_PORT": "0"}).port == 0
