"""What one process of a server is to be, and how the parent tells a child."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from scopegate.base.settings import Settings, settings_from_json, settings_to_json

Role = Literal["all", "control", "runner", "edge"]


@dataclass(frozen=True, slots=True)
class Launch:
    """run_dir: where the Unix sockets of this server's processes lie, 0700. public_url: no slash at the end."""

    role: Role
    settings: Settings
    run_dir: Path
    port: int
    public_url: str
    log_level: str = "INFO"


def launch_to_json(launch: Launch) -> bytes:
    """One line; the role is told apart, where `ps` may show it."""
    return json.dumps(
        {
            "settings": settings_to_json(launch.settings),
            "run_dir": str(launch.run_dir),
            "port": launch.port,
            "public_url": launch.public_url,
            "log_level": launch.log_level,
        }
    ).encode()


def launch_from_json(role: Role, line: bytes) -> Launch:
    plain = json.loads(line)
    settings = settings_from_json(plain["settings"])
    run_dir = Path(plain["run_dir"])
    return Launch(role, settings, run_dir, plain["port"], plain["public_url"], plain["log_level"])
