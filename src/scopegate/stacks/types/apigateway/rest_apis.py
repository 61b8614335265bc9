"""REST APIs, whole or by a document. Source: reference, control plane, 7.3."""

import json
from typing import Any, Final

from scopegate.stacks.resolve import Physical
from scopegate.stacks.types.apigateway.patches import V1, Patches, changed_paths, escaped, move_tags, patch, set_to
from scopegate.stacks.types.resource_type import (
    Aws,
    Properties,
    ResourceType,
    lower_all,
    lower_first,
    note_warnings,
    policy_text,
    text,
    without,
    words,
)

_API_PATHS: Final = {
    "ApiKeySourceType": ("/apiKeySource", "HEADER"),
    "DisableExecuteApiEndpoint": ("/disableExecuteApiEndpoint", False),
    "EndpointAccessMode": ("/endpointAccessMode", "BASIC"),
    "MinimumCompressionSize": ("/minimumCompressionSize", None),
    "Name": ("/name", None),
    "SecurityPolicy": ("/securityPolicy", "TLS_1_0"),
}


def _binary_types(properties: Properties) -> set[str]:
    """SAM writes them escaped: `image~1png`."""
    return {text(one).replace("~1", "/") for one in properties.get("BinaryMediaTypes") or []}


def _type_patches(op: str, types: set[str]) -> Patches:
    return [{"op": op, "path": f"/binaryMediaTypes/{escaped(one)}"} for one in sorted(types)]


async def _create_rest_api(aws: Aws, logical_id: str, properties: Properties) -> Physical:
    body = properties.get("Body")
    title = (body.get("info") or {}).get("title") if isinstance(body, dict) else None
    left_out = ("ApiKeySourceType", "Body", "BodyS3Location", "FailOnWarnings", "Mode", "Parameters", "Policy", "Tags")
    request = lower_first(without(properties, *left_out))
    request["name"] = properties.get("Name") or title or aws.generated_name(logical_id, 128)
    request["tags"] = aws.tags_with(properties.get("Tags"))
    if "ApiKeySourceType" in properties:
        request["apiKeySource"] = properties["ApiKeySourceType"]
    if "BinaryMediaTypes" in properties:
        request["binaryMediaTypes"] = sorted(_binary_types(properties))
    if "EndpointConfiguration" in properties:
        request["endpointConfiguration"] = lower_all(properties["EndpointConfiguration"])
    if "Policy" in properties:
        request["policy"] = policy_text(properties["Policy"])
    physical = await aws.make(V1, "CreateRestApi", request, _rest_api)
    if await _put_body(aws, physical.physical_id, properties):
        await _apply_over_body(aws, physical.physical_id, properties)
    return physical


def _rest_api(answer: Any) -> Physical:
    return Physical(answer["id"], {"RestApiId": answer["id"], "RootResourceId": answer["rootResourceId"]})


async def _put_body(aws: Aws, api_id: str, properties: Properties) -> bool:
    if properties.get("Body") is None:
        return False
    request = {
        "restApiId": api_id,
        "mode": properties.get("Mode", "overwrite"),
        "failOnWarnings": properties.get("FailOnWarnings", False),
        "parameters": properties.get("Parameters") or {},
        "body": json.dumps(properties["Body"]).encode(),
    }
    answer = await aws.call(V1, "PutRestApi", request)
    note_warnings(aws, answer.get("name", api_id), answer.get("warnings"))
    return True


async def _apply_over_body(aws: Aws, api_id: str, properties: Properties) -> None:
    """What the template says of the API itself wins over the document (reference, 7.3)."""
    said = {name: path for name, path in _API_PATHS.items() if name in properties}
    patches = changed_paths({}, properties, said)
    patches += _type_patches("add", _binary_types(properties))
    if "Description" in properties:
        patches.append(set_to("/description", properties["Description"]))
    if "Policy" in properties:
        patches.append(set_to("/policy", policy_text(properties["Policy"])))
    await patch(aws, "UpdateRestApi", {"restApiId": api_id}, patches)


async def _update_rest_api(aws: Aws, physical: Physical, old: Properties, new: Properties) -> Physical:
    api_id = physical.physical_id
    body = await _put_body(aws, api_id, new)
    # A name that is left out stays what it was made from.
    paths = {name: path for name, path in _API_PATHS.items() if name != "Name" or name in new}
    patches = changed_paths(old, new, paths)
    if old.get("Description") and not new.get("Description"):
        patches.append({"op": "remove", "path": "/description"})
    elif new.get("Description") != old.get("Description"):
        patches.append(set_to("/description", new["Description"]))
    if old.get("Policy") != new.get("Policy"):
        patches.append(set_to("/policy", policy_text(new["Policy"]) if new.get("Policy") else None))
    patches += _endpoint_patches(old.get("EndpointConfiguration") or {}, new.get("EndpointConfiguration") or {})
    before, after = _binary_types(old), _binary_types(new)
    patches += _type_patches("add", after - before) + _type_patches("remove", before - after)
    await patch(aws, "UpdateRestApi", {"restApiId": api_id}, patches)
    if body:
        await _apply_over_body(aws, api_id, new)
    await move_tags(aws, f"/restapis/{api_id}", old, new)
    return physical


def _endpoint_patches(old: Properties, new: Properties) -> Patches:
    """Endpoints of a VPC are of private APIs only: the type comes first."""
    place = "/endpointConfiguration"
    before, after = old.get("VpcEndpointIds") or [], new.get("VpcEndpointIds") or []
    added = [{"op": "add", "path": f"{place}/vpcEndpointIds", "value": each} for each in after if each not in before]
    gone = [{"op": "remove", "path": f"{place}/vpcEndpointIds", "value": each} for each in before if each not in after]
    was, becomes = (old.get("Types") or ["EDGE"])[0], (new.get("Types") or ["EDGE"])[0]
    patches = [set_to(f"{place}/types/0", becomes)] if was != becomes else []
    if new.get("IpAddressType") and new["IpAddressType"] != old.get("IpAddressType"):
        patches.append(set_to(f"{place}/ipAddressType", new["IpAddressType"]))
    return [*patches, *gone, *added]


async def _delete_rest_api(aws: Aws, physical: Physical, properties: Properties) -> None:
    await aws.call(V1, "DeleteRestApi", {"restApiId": physical.physical_id})


TYPES: Final = {
    "AWS::ApiGateway::RestApi": ResourceType(
        _create_rest_api,
        _delete_rest_api,
        _update_rest_api,
        properties=words(
            "ApiKeySourceType BinaryMediaTypes Body BodyS3Location CloneFrom Description DisableExecuteApiEndpoint "
            "EndpointAccessMode EndpointConfiguration FailOnWarnings MinimumCompressionSize Mode Name Parameters "
            "Policy SecurityPolicy Tags"
        ),
        attributes=words("RestApiId RootResourceId"),
        read_only=words("RestApiId RootResourceId"),
        ref="the id of the API",
        operations=words("CreateRestApi DeleteRestApi PutRestApi TagResource UntagResource UpdateRestApi"),
        stored=words("EndpointAccessMode MinimumCompressionSize SecurityPolicy"),
        refused={"BodyS3Location": "put the document in Body"},
    ),
}
