"""Reserved concurrency, and the account's settings.

Source: reference, Lambda, "Concurrency" and "Get, delete, versions, aliases, others".
"""

from scopegate.aws.operations import Shape
from scopegate.base.errors import AwsError
from scopegate.base.limits import limit
from scopegate.functions import queries
from scopegate.functions.operations import lookup
from scopegate.functions.references import LATEST, FunctionRef, not_found
from scopegate.ports import Call


def put_function_concurrency(call: Call, request: Shape) -> Shape:
    """PutFunctionConcurrency. What the account has for all functions binds with `--aws-quotas`."""
    ref = _unqualified(call, request)
    document = queries.find_function(call.tx, ref)
    if document is None:
        raise not_found(f"{ref.arn}:{LATEST}")
    reserved = int(request["ReservedConcurrentExecutions"])
    least = limit("functions.unreserved_executions")
    if call.settings.aws_quotas and _unreserved(call, but=ref.name) - reserved < least:
        raise AwsError(
            "InvalidParameterValueException",
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
            f"below its minimum value of [{least}].",
        )
    provisioned = sum(each["Requested"] for each in document.get("Provisioned", {}).values())
    if reserved < provisioned:
        # The blanks are the service's own.
        raise AwsError(
            "InvalidParameterValueException",
            f" ReservedConcurrentExecutions  {reserved} should not be lower than function's total provisioned "
            f"concurrency [{provisioned}].",
        )
    queries.put_function(call.tx, ref, document | {"Concurrency": reserved})
    return {"ReservedConcurrentExecutions": reserved}


def _unreserved(call: Call, *, but: str | None = None) -> int:
    """What is left of the account's concurrency, `but` one function's part."""
    found = queries.list_functions(call.tx, call.account, call.region)
    return limit("functions.concurrent_executions") - sum(
        document.get("Concurrency") or 0 for name, document in found if name != but
    )


def get_function_concurrency(call: Call, request: Shape) -> Shape:
    """GetFunctionConcurrency."""
    document = lookup.get_function(call.tx, lookup.reference(call, request))
    reserved = document.get("Concurrency")
    return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}


def delete_function_concurrency(call: Call, request: Shape) -> Shape:
    """DeleteFunctionConcurrency."""
    ref = _unqualified(call, request)
    document = lookup.get_function(call.tx, ref)
    document.pop("Concurrency", None)
    queries.put_function(call.tx, ref, document)
    return {}


def _unqualified(call: Call, request: Shape) -> FunctionRef:
    ref = lookup.reference(call, request)
    if ref.qualifier is not None:
        raise lookup.invalid(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this "
            "operation. Please specify either a function name or an unqualified function ARN."
        )
    return ref


def get_account_settings(call: Call, request: Shape) -> Shape:
    """GetAccountSettings."""
    functions = queries.list_functions(call.tx, call.account, call.region)
    size = 0
    for name, document in functions:
        ref = FunctionRef(call.account, call.region, name, None)
        size += document["Configuration"]["CodeSize"]
        size += sum(found["CodeSize"] for _, found in queries.list_versions(call.tx, ref))
    size += sum(layer["Content"]["CodeSize"] for _, _, layer in queries.list_layers(call.tx, call.account, call.region))
    return {
        "AccountLimit": {
            "TotalCodeSize": limit("functions.code_bytes"),
            "CodeSizeUnzipped": limit("functions.unzipped_bytes"),
            "CodeSizeZipped": limit("functions.zip_bytes"),
            "ConcurrentExecutions": limit("functions.concurrent_executions"),
            "UnreservedConcurrentExecutions": _unreserved(call),
        },
        "AccountUsage": {"TotalCodeSize": size, "FunctionCount": len(functions)},
    }
