"""Custom resources: made, changed and deleted by a function of the user's, which is asked and answers.

The function is invoked and waited for. What it answers comes by its `ResponseURL`; a function that ends without an
answer fails the resource at once, where CloudFormation would wait for an hour. A function that answers a change with
another physical id has made another resource: the one before is deleted once the deployment has succeeded.
Source: reference, lambda page, "Custom resource contract"; CloudFormation user guide, "Custom resources".
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Final

from scopegate.base import clock, names
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.stacks.resolve import Physical
from scopegate.stacks.types.resource_type import Aws, Properties, ResourceType, text, words

_ON_ITS_WAY_S: Final = 1.0  # an answer that was sent before the function ended
_PREFIX: Final = "Custom::"


def is_custom(kind: str) -> bool:
    return kind.startswith(_PREFIX) or kind == "AWS::CloudFormation::CustomResource"


def resource_type(kind: str) -> ResourceType:
    """`Custom::Anything`, which its function is told."""

    async def create(aws: Aws, logical_id: str, properties: Properties) -> Physical:
        kept = {"_LogicalId": logical_id, "_StackId": aws.tags["aws:cloudformation:stack-id"]}
        unanswered = Physical(aws.generated_name(logical_id, limit("stacks.physical_id_characters")), kept)
        await aws.keep(unanswered)
        return await _ask(aws, kind, "Create", unanswered, properties)

    async def update(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
        return await _ask(aws, kind, "Update", physical, new, old)

    async def delete(aws: Aws, physical: Physical, properties: Properties) -> None:
        await _ask(aws, kind, "Delete", physical, properties)

    return ResourceType(
        create,
        delete,
        update,
        required=("ServiceToken",),
        free_properties=True,
        free_attributes=True,
        replaces=words("ServiceToken"),
        operations=words("Invoke"),
    )


@dataclass(frozen=True, slots=True)
class _Question:
    """One request to a function, and the resource as it stood before."""

    request: Properties
    physical: Physical

    def answered(self, body: bytes) -> tuple[Physical, str]:
        """What the resource is after the answer, and the reason when it FAILED. Raises AwsError for what is none."""
        if len(body) > limit("stacks.response_bytes"):
            raise _failure("Response object is too long")
        try:
            answer = json.loads(body)
            status = answer["Status"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _failure("Invalid Response object: it must be a JSON object with Status") from None
        for name in ("StackId", "RequestId", "LogicalResourceId"):
            if answer.get(name) != self.request[name]:
                raise _failure(f"Invalid Response object: {name} is not that of the request")
        physical = self._physical(answer, failed=status == "FAILED")
        if status == "FAILED":
            reason = text(answer.get("Reason") or "no Reason was given")
            return physical, f"Received response status [FAILED] from custom resource. Message returned: {reason}"
        if status != "SUCCESS":
            raise _failure("Invalid Response object: Status must be SUCCESS or FAILED")
        return physical, ""

    def _physical(self, answer: Properties, *, failed: bool) -> Physical:
        """The request's own id where the answer may be without one: only a Create that succeeded has to name it."""
        kept = {name: self.physical.attributes[name] for name in ("_LogicalId", "_StackId")}
        physical_id = answer.get("PhysicalResourceId")
        if physical_id is None and (failed or self.request["RequestType"] != "Create"):
            physical_id = self.physical.physical_id
        if not isinstance(physical_id, str) or not 1 <= len(physical_id) <= limit("stacks.physical_id_characters"):
            raise _failure("Invalid PhysicalResourceId")
        data = answer.get("Data") or {}
        if not isinstance(data, dict):
            raise _failure("Invalid Response object: Data must be an object")
        flat = dict(_flat(data))
        if answer.get("NoEcho") is True:
            kept["_NoEcho"] = sorted((value for value in flat.values() if isinstance(value, str) and value), key=len)[
                ::-1
            ]
        return Physical(physical_id, {**flat, **kept})


@dataclass(slots=True)
class _Waiting:
    """A question that was asked. One answer is taken, and none once the deployment has given up and goes its way."""

    aws: Aws
    question: _Question
    result: "asyncio.Future[Physical]"
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def take(self, body: bytes) -> None:
        """In the store before it is accepted. What is wrong with it is for the deployment, not for the function."""
        async with self.turn:
            if self.result.done():
                raise AwsError("AccessDenied", "Request has expired", status=403)
            try:
                made, failed = self.question.answered(body)
                if self.question.request["RequestType"] != "Delete":
                    await self.aws.keep(made)
                if failed:
                    raise _failure(failed)
            except AwsError as error:
                self.result.set_exception(error)
            else:
                self.result.set_result(made)

    async def give_up(self, why: AwsError) -> None:
        async with self.turn:
            if not self.result.done():
                self.result.set_exception(why)


async def _ask(
    aws: Aws,
    kind: str,
    request_type: str,
    physical: Physical,
    properties: Properties,
    old: Properties | None = None,
) -> Physical:
    """Send a request and wait for its answer: what the resource is then. Raises AwsError for a failure of any kind."""
    token, timeout_s = _service_token(properties), _service_timeout(properties)
    request: Properties = {
        "RequestType": request_type,
        "ServiceToken": token,
        "StackId": physical.attributes["_StackId"],
        "RequestId": clock.uuid4(),
        "LogicalResourceId": physical.attributes["_LogicalId"],
        "ResourceType": kind,
        "ResourceProperties": _texts(properties),
    }
    if request_type != "Create":
        request["PhysicalResourceId"] = physical.physical_id
    if old is not None:
        request["OldResourceProperties"] = _texts(old)
    waiting = _Waiting(aws, _Question(request, physical), asyncio.get_running_loop().create_future())
    with aws.answers.expected(waiting.take) as url:
        payload = json.dumps({**request, "ResponseURL": url}).encode()
        invocation = asyncio.ensure_future(aws.call("lambda", "Invoke", {"FunctionName": token, "Payload": payload}))
        aws.answers.let_finish(invocation)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.wait((waiting.result, invocation), return_when=asyncio.FIRST_COMPLETED)
                if not waiting.result.done():
                    ended = _how_it_ended(invocation.result())
                    await asyncio.wait((waiting.result,), timeout=_ON_ITS_WAY_S)
                    await waiting.give_up(_failure(f"The function {token} {ended} and sent no answer to ResponseURL"))
        except AwsError as error:
            await waiting.give_up(error)
        except TimeoutError:
            message = (
                f"CloudFormation did not receive a response from your Custom Resource within {timeout_s} seconds. "
                f"Please check your logs for requestId [{request['RequestId']}]."
            )
            await waiting.give_up(_failure(message))
        return await waiting.result


def _service_token(properties: Properties) -> str:
    token = text(properties["ServiceToken"])
    arn = names.find_arn(token)
    if arn is None or arn.service != "lambda":
        raise AwsError(
            "ValidationException",
            f"ServiceToken must be the ARN of a function; topics are not supported: {token[:200]}",
        )
    return token


def _service_timeout(properties: Properties) -> int:
    longest = limit("stacks.service_timeout_s")
    given = text(properties.get("ServiceTimeout", longest))
    if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= longest:
        raise AwsError("ValidationException", f"ServiceTimeout must be a number of seconds from 1 to {longest}")
    return int(given)


def _how_it_ended(answer: Properties) -> str:
    """Of an invocation that was waited for."""
    if "FunctionError" not in answer:
        return "ended"
    try:
        error = json.loads(answer["Payload"])
        said = ": ".join(str(error[name]) for name in ("errorType", "errorMessage") if error.get(name))
    except (ValueError, TypeError, AttributeError):
        said = ""
    return f"failed ({said})" if said else "failed"


def _failure(message: str) -> AwsError:
    return AwsError("CustomResourceFailed", message)


def _texts(value: Any) -> Any:
    """Properties as CloudFormation sends them: every scalar is a text."""
    if isinstance(value, dict):
        return {name: _texts(item) for name, item in value.items()}
    return [_texts(item) for item in value] if isinstance(value, list) else text(value)


def _flat(data: Properties, prefix: str = "") -> Any:
    """What `Fn::GetAtt` may name of an answer's Data; of nested objects, their members by names with dots."""
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            yield f"{prefix}{name}", [each if isinstance(each, dict | list) else text(each) for each in value]
        else:
            yield f"{prefix}{name}", "" if value is None else text(value)
