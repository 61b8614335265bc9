"""What deployment tools ask of a function beside its configuration: code signing, recursion, runtime updates.

Source: reference, Lambda, "Execution environment" and "Operations by tier".
"""

from scopegate.aws.operations import Shape
from scopegate.functions import queries
from scopegate.functions.operations import lookup
from scopegate.functions.references import LATEST
from scopegate.ports import Call


def get_function_code_signing_config(call: Call, request: Shape) -> Shape:
    """GetFunctionCodeSigningConfig: no function has one."""
    lookup.get_function(call.tx, lookup.reference(call, request))
    return {}


def get_function_recursion_config(call: Call, request: Shape) -> Shape:
    """GetFunctionRecursionConfig."""
    document = lookup.get_function(call.tx, lookup.reference(call, request))
    return {"RecursiveLoop": document.get("RecursiveLoop", "Terminate")}


def put_function_recursion_config(call: Call, request: Shape) -> Shape:
    """PutFunctionRecursionConfig. Kept and answered: the loops that it is about need SQS, SNS or S3."""
    ref = lookup.reference(call, request)
    document = lookup.get_function(call.tx, ref)
    queries.put_function(call.tx, ref, document | {"RecursiveLoop": request["RecursiveLoop"]})
    return {"RecursiveLoop": request["RecursiveLoop"]}


def get_runtime_management_config(call: Call, request: Shape) -> Shape:
    """GetRuntimeManagementConfig."""
    ref = lookup.reference(call, request)
    lookup.get_configuration(call.tx, ref)
    qualifier = ref.qualifier or LATEST
    kept = lookup.get_function(call.tx, ref).get("RuntimeManagement", {}).get(qualifier, {"UpdateRuntimeOn": "Auto"})
    return {"FunctionArn": ref.with_qualifier(qualifier).asked_arn, **kept}


def put_runtime_management_config(call: Call, request: Shape) -> Shape:
    """PutRuntimeManagementConfig. Kept and answered: which interpreter runs is what the machine has."""
    ref = lookup.reference(call, request)
    lookup.get_configuration(call.tx, ref)
    mode, arn = request["UpdateRuntimeOn"], request.get("RuntimeVersionArn")
    if (mode == "Manual") is not bool(arn):
        raise lookup.invalid("RuntimeVersionArn goes with UpdateRuntimeOn Manual, and with it alone.")
    qualifier = ref.qualifier or LATEST
    kept = {"UpdateRuntimeOn": mode, **({"RuntimeVersionArn": arn} if arn else {})}
    document = lookup.get_function(call.tx, ref)
    modes = {**document.get("RuntimeManagement", {}), qualifier: kept}
    queries.put_function(call.tx, ref, document | {"RuntimeManagement": modes})
    return {"FunctionArn": ref.with_qualifier(qualifier).asked_arn, **kept}
