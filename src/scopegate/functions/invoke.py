"""An invocation by Lambda's rules: which function, may the caller, within limits; then the runtime does it."""

from collections.abc import Awaitable, Callable
from typing import Any

from scopegate.base.errors import AwsError
from scopegate.ports import Invocation, InvocationAnswer

RunFunction = Callable[[Any, Any], Awaitable[Any]]


class Invoker:
    """`ports.Invoke` over the current view of functions and whatever runs them."""

    def __init__(self, view: Callable[[], Any], run: RunFunction) -> None:
        self._view = view
        self._run = run

    async def invoke(self, invocation: Invocation) -> InvocationAnswer:
        raise AwsError("ResourceNotFoundException", f"Function not found: {invocation.function_arn}", status=404)
