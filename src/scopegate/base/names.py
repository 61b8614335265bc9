"""Ids, ARNs, hosts and issuers: made and parsed here, nowhere else.

Sources: reference pages, "Hosts, paths, identifiers" (Cognito), "Identifiers" (API Gateway), "Identifiers" (Lambda).
"""

import re
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scopegate.base import clock

_ALNUM: Final = string.ascii_letters + string.digits
_ARN: Final = re.compile(r"arn:(aws|aws-cn|aws-us-gov):([a-z0-9-]+):([a-z0-9-]*):(\d{12}|aws|):(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Arn:
    """`arn:partition:service:region:account:resource`; region and account may be empty."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def find_arn(text: str) -> Arn | None:
    """The ARN that `text` spells, None when it spells none."""
    match = _ARN.fullmatch(text)
    return Arn(*match.groups()) if match else None


def partition_of(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


# Cognito


def new_user_pool_id(region: str) -> str:
    return f"{region}_{clock.new_id(9, _ALNUM)}"


def new_client_id() -> str:
    """26 characters of [0-9a-z]."""
    return clock.new_id(26)


def user_pool_arn(region: str, account: str, pool_id: str) -> str:
    return f"arn:{partition_of(region)}:cognito-idp:{region}:{account}:userpool/{pool_id}"


def amazon_issuer(region: str, pool_id: str) -> str:
    return f"https://cognito-idp.{region}.amazonaws.com/{pool_id}"


def updated_amazon_issuer(region: str, pool_id: str) -> str:
    """The issuer of a pool whose `IssuerConfiguration.Type` is UPDATED."""
    return f"https://issuer-cognito-idp.{region}.amazonaws.com/{pool_id}"


# API Gateway


def execute_api_arn(region: str, account: str, api_id: str, rest: str) -> str:
    """`rest` = `stage/METHOD/path` without the path's leading slash, or `authorizers/<id>`."""
    return f"arn:{partition_of(region)}:execute-api:{region}:{account}:{api_id}/{rest}"


# Lambda

FUNCTION_NAME: Final = re.compile(
    r"(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?(?:(?P<region>(?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?(?P<name>[a-zA-Z0-9-_.]+)(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?",
    re.ASCII,
)
"""Every form in which a call may name a function: bare, qualified, partial or full ARN."""


def function_arn(region: str, account: str, name: str, qualifier: str | None = None) -> str:
    arn = f"arn:{partition_of(region)}:lambda:{region}:{account}:function:{name}"
    return f"{arn}:{qualifier}" if qualifier else arn


# Uploads

ARTIFACTS_BUCKET: Final = "scopegate-artifacts"
"""The S3 bucket whose keys are the digests of what was uploaded to this server's own API."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def artifact_path(data_dir: Path, account: str, key: str) -> Path | None:
    """Where an upload of an account lies; None for a key that is no digest."""
    return data_dir / "artifacts" / account / key if _SHA256.fullmatch(key) else None
