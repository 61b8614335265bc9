"""Members of a function's configuration: what may be asked for, what Lambda fills in, and the code behind it.

Source: reference, Lambda, "Create and update", "Life of a function", "Reserved names and limits".
"""

import asyncio
import datetime
import hashlib
import json
import re
from typing import Any, Final

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.functions import package
from scopegate.functions.operations.lookup import invalid
from scopegate.functions.runtimes import Interpreter, RuntimeMissing, find_interpreter
from scopegate.ports import Call
from scopegate.store.documents import Document

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
_RUNTIME_FORM: Final = re.compile(
    r"(python\d+\.\d+|nodejs\d*(\.x|\.\d+)?(-edge)?|java\d+(\.al\d+)?|dotnet(core)?\d+(\.\d)?|ruby\d+\.\d+|go1\.x"
    r"|provided(\.al2|\.al2023)?)"
)
# What an update may set as it is.
_SETTABLE: Final = (
    "DeadLetterConfig",
    "Description",
    "Handler",
    "KMSKeyArn",
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
    "RuntimeConfig",
    "TenancyConfig",
)


def new_configuration(call: Call, request: Shape, name: str) -> Document:
    """The configuration of a new function, without its code. Raises AwsError."""
    if request.get("PackageType", "Zip") != "Zip":
        raise invalid("Functions of package type Image are not supported yet")
    if not request.get("Runtime") or not request.get("Handler"):
        raise invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    _refuse_unbuilt(request)
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
    """A configuration with the members of a request; members that are not given stay. Raises AwsError."""
    _refuse_unbuilt(request)
    changed = {**configuration, **{name: request[name] for name in _SETTABLE if request.get(name) is not None}}
    if (request.get("DeadLetterConfig") or {}).get("TargetArn") == "":
        changed.pop("DeadLetterConfig", None)
    if request.get("Layers"):
        raise invalid(f"Layer version {request['Layers'][0]} does not exist.")
    if request.get("VpcConfig") and any(request["VpcConfig"].values()):
        raise invalid("Functions in a VPC are not supported yet")
    if (request.get("SnapStart") or {}).get("ApplyOn", "None") != "None":
        raise invalid(f"{changed['Runtime']} is not supported for SnapStart enabled functions.")
    if int(changed["Timeout"]) > 900:
        raise invalid("'Timeout' value failed to satisfy constraint: Member must have value less than or equal to 900")
    if int(changed["MemorySize"]) > 10_240:
        raise invalid(
            "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 10240"
        )
    logging = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{changed['FunctionName']}"}
    logging |= configuration.get("LoggingConfig") or {}
    changed["LoggingConfig"] = logging | (request.get("LoggingConfig") or {})
    if changed["LoggingConfig"]["LogFormat"] == "JSON":
        changed["LoggingConfig"] = {
            "ApplicationLogLevel": "INFO",
            "SystemLogLevel": "INFO",
            **changed["LoggingConfig"],
        }
    check_runtime(call, changed["Runtime"])
    changed["RuntimeVersionConfig"] = {"RuntimeVersionArn": _runtime_version_arn(call.region, changed["Runtime"])}
    return changed


def _refuse_unbuilt(request: Shape) -> None:
    for member in _UNBUILT:
        if request.get(member):
            raise invalid(f"{member} is not supported yet")


def check_runtime(call: Call, runtime: str) -> Interpreter:
    """What will run the function. Raises AwsError for what Lambda, or this machine, does not have."""
    if not _RUNTIME_FORM.fullmatch(runtime):
        raise invalid(
            f"Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{_RUNTIMES}] or be a valid ARN"
        )
    try:
        return find_interpreter(runtime, strict=call.settings.strict_runtimes)
    except RuntimeMissing as error:
        raise invalid(str(error)) from None


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
    given = [name for name in ("ZipFile", "S3Bucket", "ImageUri") if code.get(name)]
    if "ImageUri" in given:
        raise invalid("Please don't provide ImageUri when updating a function with packageType Zip.")
    if "S3Bucket" in given:
        raise invalid(
            "Error occurred while GetObject. S3 Error Code: NoSuchBucket. "
            "S3 Error Message: The specified bucket does not exist"
        )
    if len(given) != 1:
        raise invalid("Please provide a source for function code.")
    packed: bytes = code["ZipFile"]
    if len(packed) > limit("functions.zip_bytes"):
        message = f"Zipped size must be smaller than {limit('functions.zip_bytes')} bytes"
        raise AwsError("RequestEntityTooLargeException", message, status=413)
    unpacked = await asyncio.to_thread(package.unpack, packed, call.settings.data_dir / "code")
    members = {
        "CodeSha256": unpacked.code_sha256,
        "CodeSha256Hex": unpacked.directory.name,
        "CodeSize": unpacked.code_size,
    }
    return packed, members


def modified(now: float) -> str:
    """`LastModified` of a function: `2025-11-25T02:26:54.123+0000`."""
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
