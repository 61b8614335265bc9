"""Every setting, in one table: flag, environment variable, default, help.

`Settings` is the parsed whole; `docs/settings.md` is generated from the field table.
A setting is read once, at start; nothing looks at the environment later.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from scopegate.base.errors import SetupError

DEFAULT_PORT: Final = 4566
DEFAULT_REGION: Final = "us-east-1"
DEFAULT_ACCOUNT: Final = "000000000000"


def _setting(default: Any, help_text: str, *, flag: str | None = None, env: str | None = None) -> Any:
    """A row of the table. `default` may be a factory (callable) or a value."""
    metadata = {"help": help_text, "flag": flag, "env": env}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator chose. Flags win over environment, environment over defaults."""

    host: str = _setting("127.0.0.1", "Address to listen on.", flag="--host", env="SCOPEGATE_HOST")
    port: int = _setting(DEFAULT_PORT, "Port to listen on; 0 takes a free one.", flag="--port", env="SCOPEGATE_PORT")
    data_dir: Path = _setting(
        lambda: Path(".scopegate"),
        "Where the database, the master key and function code live.",
        flag="--data-dir",
        env="SCOPEGATE_DATA_DIR",
    )
    cache_dir: Path | None = _setting(
        None,
        "Where `up` and `deploy` keep what they installed for functions; default: scopegate in the user's caches.",
        env="SCOPEGATE_CACHE_DIR",
    )
    database: str | None = _setting(
        None,
        "postgresql://… or sqlite:///path; default: scopegate.db in the data directory.",
        flag="--database",
        env="SCOPEGATE_DATABASE",
    )
    ephemeral: bool = _setting(False, "Keep everything in a temporary directory, removed at exit.", flag="--ephemeral")
    workers: int | None = _setting(
        None,
        "Edge processes; default: one per core in production, one process for everything in development.",
        flag="--workers",
        env="SCOPEGATE_WORKERS",
    )
    development: bool = _setting(False, "Development mode: any access key is accepted, loopback only.", flag="--dev")
    region: str = _setting(
        DEFAULT_REGION, "Region of calls whose credentials name none.", flag="--region", env="AWS_REGION"
    )
    issuer_url: str | None = _setting(
        None,
        "Gives pools the issuer URL/<pool id>, reachable as written; default: Amazon's form.",
        flag="--issuer-url",
        env="SCOPEGATE_ISSUER_URL",
    )
    public_url: str | None = _setting(
        None,
        "How clients reach this server; discovery names it. Default: http://localhost:PORT.",
        flag="--public-url",
        env="SCOPEGATE_PUBLIC_URL",
    )
    public_hosts: tuple[str, ...] = _setting(
        (),
        "A further Host name that is this server's (repeatable).",
        flag="--public-host",
        env="SCOPEGATE_PUBLIC_HOSTS",
    )
    trust_network: bool = _setting(
        False,
        "Development mode may listen beyond loopback: for a container whose network is its own.",
        flag="--trust-network",
        env="SCOPEGATE_TRUST_NETWORK",
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (),
        "A network (CIDR) of proxies whose X-Forwarded-For says who the client is, in production mode (repeatable).",
        flag="--trusted-proxy",
        env="SCOPEGATE_TRUSTED_PROXIES",
    )
    egress_allow: tuple[str, ...] = _setting(
        (),
        "A network (CIDR) of private addresses that web service integrations may reach in production (repeatable).",
        flag="--egress-allow",
        env="SCOPEGATE_EGRESS_ALLOW",
    )
    allow_origins: tuple[str, ...] = _setting(
        (), "An Origin from which a browser may speak to the control plane (repeatable).", flag="--allow-origin"
    )
    strict_runtimes: bool = _setting(
        False,
        "Refuse a function whose exact runtime version is not installed, instead of using the nearest.",
        flag="--strict-runtimes",
        env="SCOPEGATE_STRICT_RUNTIMES",
    )
    unsafe_functions: bool = _setting(
        False,
        "Run functions in production without isolation (no bubblewrap, not root).",
        flag="--unsafe-functions",
        env="SCOPEGATE_UNSAFE_FUNCTIONS",
    )
    aws_quotas: bool = _setting(
        False, "Apply AWS's quotas per account, region and second.", flag="--aws-quotas", env="SCOPEGATE_AWS_QUOTAS"
    )
    aws_revocation: bool = _setting(
        False,
        "Let users' APIs take a token that was revoked, or whose app client was deleted, until it expires, as API "
        "Gateway does.",
        flag="--aws-revocation",
        env="SCOPEGATE_AWS_REVOCATION",
    )
    strict_oauth: bool = _setting(
        False,
        "Be stricter than Cognito where people sign in: PKCE of public clients, `iss` in answers (RFC 9207), "
        "`invalid_target` for a resource that no resource server is.",
        flag="--strict-oauth",
        env="SCOPEGATE_STRICT_OAUTH",
    )
    password_memory_kib: int = _setting(
        9_216,
        "Memory that one hash of a user's password takes (argon2id), KiB; more makes stolen hashes harder to guess.",
        env="SCOPEGATE_PASSWORD_MEMORY_KIB",
    )
    password_passes: int = _setting(
        4, "How often a hash of a password passes over that memory.", env="SCOPEGATE_PASSWORD_PASSES"
    )
    smtp_url: str | None = _setting(
        None,
        "The mail server for messages of user pools, smtp://user:password@host:587 or smtps://host; "
        "without one they are only in `scopegate outbox`.",
        env="SCOPEGATE_SMTP_URL",
    )
    mail_from: str = _setting(
        "no-reply@verificationemail.com",
        "Who mails come from where the user pool's EmailConfiguration does not say.",
        flag="--mail-from",
        env="SCOPEGATE_MAIL_FROM",
    )
    master_key: str | None = _setting(
        None,
        "The master key, 32 bytes in base64; default: the file master.key in the data directory, made on first start.",
        env="SCOPEGATE_MASTER_KEY",
    )
    test_clock: Path | None = _setting(
        None, "A file that turns the wall clock, for tests; development mode only.", env="SCOPEGATE_TEST_CLOCK"
    )

    def __post_init__(self) -> None:
        for name in ("issuer_url", "public_url"):
            value = getattr(self, name)
            if value is not None and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).hostname):
                raise SetupError(
                    f"settings: SCOPEGATE_{name.upper()} must be an http(s) URL, got {value!r}; "
                    f"see docs/settings.md#{name.replace('_', '-')}"
                )
        if self.workers is not None and self.workers < 1:
            raise SetupError(f"settings: --workers must be at least 1, got {self.workers}")
        if self.smtp_url is not None:
            _check_smtp_url(self.smtp_url)
        if not 8_192 <= self.password_memory_kib <= 1_048_576 or not 1 <= self.password_passes <= 100:
            raise SetupError(
                "settings: SCOPEGATE_PASSWORD_MEMORY_KIB must be 8192 to 1048576, SCOPEGATE_PASSWORD_PASSES 1 to 100; "
                "see docs/settings.md#password-memory-kib"
            )
        if not 0 <= self.port <= 65535:
            raise SetupError(f"settings: --port must be 0 to 65535, got {self.port}")


def _check_smtp_url(url: str) -> None:
    """The value is never repeated in the message: it may hold a password."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SetupError(
            "settings: SCOPEGATE_SMTP_URL must be smtp://host:port or smtps://host:port, with user:password@ before "
            "the host where the server asks for it; see docs/settings.md#smtp-url"
        )


def _parse(name: str, type_name: str, text: str) -> Any:
    if type_name == "bool":
        if text.lower() in ("1", "true", "yes", "on"):
            return True
        if text.lower() in ("", "0", "false", "no", "off"):
            return False
        raise SetupError(f"settings: {name} must be true or false, got {text!r}")
    if type_name.startswith("int"):
        try:
            return int(text)
        except ValueError:
            raise SetupError(f"settings: {name} must be a whole number, got {text!r}") from None
    if type_name.startswith("tuple"):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if "Path" in type_name:
        return Path(text)
    return text


def read_settings(flags: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Settings:
    """Join flags (None or empty = not given), environment and defaults.

    Raises SetupError naming the setting and the page that explains it.
    """
    chosen: dict[str, Any] = {}
    for row in fields(Settings):
        given = flags.get(row.name)
        variable = row.metadata["env"]
        # By identity: 0, which takes a free port, equals False.
        if given is not None and given is not False and given not in ((), []):
            chosen[row.name] = tuple(given) if isinstance(given, list) else given
        elif variable and environment.get(variable):
            chosen[row.name] = _parse(variable, getattr(row.type, "__name__", str(row.type)), environment[variable])
    return Settings(**chosen)


def settings_to_json(settings: Settings) -> dict[str, Any]:
    """Plain data from which `settings_from_json` makes the same settings in another process."""
    plain = {row.name: getattr(settings, row.name) for row in fields(Settings)}
    return {name: str(value) if isinstance(value, Path) else value for name, value in plain.items()}


def settings_from_json(plain: Mapping[str, Any]) -> Settings:
    """The settings that `settings_to_json` wrote down."""
    paths = {row.name for row in fields(Settings) if "Path" in str(row.type)}

    def value_of(name: str, value: Any) -> Any:
        if isinstance(value, list):
            return tuple(value)
        return Path(value) if name in paths and value is not None else value

    return Settings(**{name: value_of(name, value) for name, value in plain.items()})
