"""Members of a function's configuration: what may be asked for, what Lambda fills in, and the code behind it.

Source: reference, Lambda, "Create and update", "Life of a function", "Reserved names and limits".
"""

import asyncio
import datetime
import hashlib
import json
from typing import Any, Final

import structlog

from scopegate.aws.operations import Shape
from scopegate.aws.rights import check_pass_role
from scopegate.base import names
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.functions import package
from scopegate.functions.operations.lookup import invalid
from scopegate.functions.runtimes import RuntimeMissing, find_interpreter, find_runtime
from scopegate.ports import Call
from scopegate.store.documents import Document

log = structlog.get_logger()

RESERVED: Final = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)
_UNABLE: Final = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided "
)
# The order of the service's own set, recorded 2026-01-12.
_RUNTIMES: Final = (
    "nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, "
    "python3.11, java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, "
    "java11, dotnet6, nodejs18.x, provided.al2, java8.al2"
)
# What may be created in November 2026 (reference, "Runtime identifiers"); whether it runs here is the machine's answer.
_KNOWN: Final = (
    "python3.8 python3.9 python3.10 python3.11 python3.12 python3.13 python3.14 python3.15 "
    "nodejs16.x nodejs18.x nodejs20.x nodejs22.x nodejs24.x nodejs26.x java8.al2 java8.al2023 java11 java11.al2023 "
    "java17 java17.al2023 java21 java25 dotnet6 dotnet8 dotnet10 ruby3.2 ruby3.3 ruby3.4 ruby4.0 "
    "provided.al2 provided.al2023 custom"
)
_BLOCKED: Final = (
    "nodejs nodejs4.3 nodejs4.3-edge nodejs6.10 nodejs8.10 nodejs10.x nodejs12.x nodejs14.x python2.7 python3.6 "
    "python3.7 java8 dotnetcore1.0 dotnetcore2.0 dotnetcore2.1 dotnetcore3.1 go1.x ruby2.5 ruby2.7 provided"
)
KNOWN_RUNTIMES: Final = frozenset(_KNOWN.split())
BLOCKED_RUNTIMES: Final = frozenset(_BLOCKED.split())
# What an update may set as it is.
_SETTABLE: Final = (
    "Description",
    "Handler",
    "MemorySize",
    "Role",
    "Runtime",
    "Timeout",
    "TracingConfig",
    "EphemeralStorage",
)
# What would change how a function runs and is not built: refused, never passed over.
_UNBUILT: Final = (
    "AcceleratorConfig",
    "CapacityProviderConfig",
    "CodeSigningConfigArn",
    "DurableConfig",
    "FileSystemConfigs",
    "ImageConfig",
    "PublishTo",
    "RuntimeConfig",
    "SourceKMSKeyArn",
    "TenancyConfig",
)


def new_configuration(call: Call, request: Shape, name: str) -> Document:
    """The configuration of a new function, without its code. Raises AwsError."""
    if request.get("PackageType", "Zip") != "Zip":
        raise invalid("Functions of package type Image are not supported yet")
    if not request.get("Runtime") or not request.get("Handler"):
        raise invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    configuration: Document = {
        "Architectures": request.get("Architectures", ["x86_64"]),
        "Description": "",
        "EphemeralStorage": {"Size": 512},
        "FunctionName": name,
        "MemorySize": 128,
        "PackageType": "Zip",
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "Timeout": 3,
        "TracingConfig": {"Mode": "PassThrough"},
        "Version": "$LATEST",
    }
    return apply(call, configuration, request)


def apply(call: Call, configuration: Document, request: Shape) -> Document:
    """A configuration with the members of a request; members that are not given stay. Raises AwsError.

    Whether the runtime can be had is `check_runtime`'s to say; layers are attached by `layer_versions`.
    """
    refuse_unbuilt(request)
    changed = {**configuration, **{name: request[name] for name in _SETTABLE if request.get(name) is not None}}
    # An empty structure changes nothing either.
    target = (request.get("DeadLetterConfig") or {}).get("TargetArn")
    _set_or_remove(changed, "DeadLetterConfig", target and {"TargetArn": target})
    _set_or_remove(changed, "KMSKeyArn", request.get("KMSKeyArn"))
    if request.get("VpcConfig") and any(request["VpcConfig"].values()):
        raise invalid("Functions in a VPC are not supported yet")
    if (request.get("SnapStart") or {}).get("ApplyOn", "None") != "None":
        raise invalid(f"{changed['Runtime']} is not supported for SnapStart enabled functions.")
    if int(changed["Timeout"]) > limit("functions.timeout_s"):
        raise invalid(_above("Timeout", limit("functions.timeout_s")))
    if int(changed["MemorySize"]) > limit("functions.memory_mb"):
        raise invalid(_above("MemorySize", limit("functions.memory_mb")))
    _check_role(call, changed["Role"])
    if "Role" in request:
        check_pass_role(call, changed["Role"], "lambda.amazonaws.com")
    plain = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{changed['FunctionName']}"}
    changed["LoggingConfig"] = _logging(configuration.get("LoggingConfig", plain), request.get("LoggingConfig") or {})
    changed["RuntimeVersionConfig"] = {"RuntimeVersionArn": _runtime_version_arn(call.region, changed["Runtime"])}
    return changed


def _set_or_remove(changed: Document, member: str, value: Any) -> None:
    """None changes nothing; an empty text removes (reference, "Event (asynchronous)")."""
    if value == "":
        changed.pop(member, None)
    elif value is not None:
        changed[member] = value


def _above(member: str, most: int) -> str:
    return f"'{member}' value failed to satisfy constraint: Member must have value less than or equal to {most}"


def _check_role(call: Call, role_arn: str) -> None:
    """A session of the role is what the function's code gets: never one of another account."""
    arn = names.find_arn(role_arn)
    if arn is None or not arn.resource.startswith("role/"):
        raise invalid("The role defined for the function cannot be assumed by Lambda.")
    if arn.account != call.account:
        raise AwsError("AccessDeniedException", "Cross-account pass role is not allowed.", status=403)


def _logging(logged: Shape, asked: Shape) -> Shape:
    """LoggingConfig as answered: levels stand beside JSON only (reference, "LoggingConfig")."""
    changed = logged | asked
    if changed["LogFormat"] == "JSON":
        return {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"} | changed
    if asked.keys() & {"ApplicationLogLevel", "SystemLogLevel"}:
        raise invalid(
            'LogLevel is not supported when LogFormat is set to "Text". '
            'Remove LogLevel from your request or change the LogFormat to "JSON" and try again.'
        )
    return {name: changed[name] for name in ("LogFormat", "LogGroup")}


def refuse_unbuilt(request: Shape) -> None:
    for member in _UNBUILT:
        if request.get(member):
            raise invalid(f"{member} is not supported yet")


async def check_runtime(call: Call, runtime: str) -> None:
    """Raises AwsError for what Lambda, or this machine, does not have.

    A runtime that Lambda has blocked is run all the same where the language is here, by the nearest version and with
    the warning that this gives: templates keep such names for years. --strict-runtimes refuses it as Lambda does.
    """
    if runtime in BLOCKED_RUNTIMES and (call.settings.strict_runtimes or find_runtime(runtime) is None):
        raise invalid(
            f"The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. "
            "We recommend you use a supported runtime while creating or updating functions."
        )
    if runtime not in KNOWN_RUNTIMES | BLOCKED_RUNTIMES:
        raise invalid(
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{_RUNTIMES}] or be a valid ARN"
        )
    try:
        # Looking for interpreters asks programs for their version, the first time.
        found = await asyncio.to_thread(find_interpreter, runtime, strict=call.settings.strict_runtimes)
    except RuntimeMissing as error:
        raise invalid(str(error)) from None
    if found.warning:
        log.warning("function.runtime", reason=found.warning)


def _runtime_version_arn(region: str, runtime: str) -> str:
    return f"arn:aws:lambda:{region}::runtime:{hashlib.sha256(runtime.encode()).hexdigest()}"


def check_environment(variables: dict[str, str]) -> bytes:
    """Environment variables as they are stored, before sealing. Raises AwsError."""
    reserved = sorted(RESERVED & variables.keys())
    if reserved:
        raise invalid(
            f"{_UNABLE}contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > limit("functions.environment_bytes"):
        raise invalid(f"{_UNABLE}exceeded the 4KB limit. String measured: {measured}")
    return measured.encode()


async def unpack(call: Call, code: Shape) -> tuple[bytes, dict[str, Any]]:
    """(zip, the members of a configuration that tell of it) of `Code`, once it lies unpacked. Raises AwsError."""
    refuse_unbuilt({name: code.get(name) for name in ("PublishTo", "SourceKMSKeyArn")})
    given = [name for name in ("ZipFile", "S3Bucket", "ImageUri") if code.get(name) is not None]
    if "ImageUri" in given:
        raise invalid("Please don't provide ImageUri when updating a function with packageType Zip.")
    if len(given) != 1:
        raise invalid("Please provide a source for function code.")
    packed: bytes
    if "S3Bucket" in given:
        packed = await _get_object(call, code["S3Bucket"], code.get("S3Key") or "")
    else:
        packed = code["ZipFile"]
        if len(packed) > limit("functions.zip_bytes"):
            message = f"Zipped size must be smaller than {limit('functions.zip_bytes')} bytes"
            raise AwsError("RequestEntityTooLargeException", message, status=413)
    unpacked = await asyncio.to_thread(package.unpack, packed, call.settings.data_dir / "code")
    sizes = {"CodeSize": unpacked.code_size, "UnzippedSize": unpacked.unzipped_bytes}
    return packed, {"CodeSha256": unpacked.code_sha256, **sizes}


async def _get_object(call: Call, bucket: str, key: str) -> bytes:
    """A package that the same account uploaded to this server's own API. Raises AwsError, with S3's errors in it."""
    failed = "Error occurred while GetObject. S3 Error Code: "
    if bucket != names.ARTIFACTS_BUCKET:
        raise invalid(f"{failed}NoSuchBucket. S3 Error Message: The specified bucket does not exist")
    path = names.artifact_path(call.settings.data_dir, call.account, key)
    try:
        if path is not None:
            return await asyncio.to_thread(path.read_bytes)
    except FileNotFoundError:
        pass
    raise invalid(f"{failed}NoSuchKey. S3 Error Message: The specified key does not exist.")


def modified(now: float) -> str:
    """`LastModified` of a function: `2025-11-25T02:26:54.123+0000`."""
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
