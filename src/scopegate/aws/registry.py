"""Which function is which operation.

A family registers its operations by package: in `<family>/operations/<service>/`, a public function that takes
`(call, request)` and is named as an operation in snake_case *is* that operation. A module of such a package either
holds operations, then all its public functions of that form are some, or holds none and serves the others.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from types import ModuleType

from scopegate.aws.models import Models
from scopegate.aws.operations import Operation, Table


def table(packages: Mapping[str, ModuleType], models: Models) -> Table:
    """The operations of every service. packages: package by botocore's name of the service.

    Raises RuntimeError, at start, for a name that is no operation or is there twice.
    """
    found: dict[tuple[str, str], Operation] = {}
    for service_name, package in packages.items():
        service = models.service(service_name)
        by_name = {
            operation.python_name: operation.name
            for name in service.operation_names()
            if (operation := service.find_operation(name)) is not None
        }
        for module in _modules(package):
            functions = dict(_candidates(module))
            if not by_name.keys() & functions.keys():
                continue
            for name, function in functions.items():
                if name not in by_name:
                    raise RuntimeError(f"{module.__name__}.{name} is no operation of {service_name}")
                key = service_name, by_name[name]
                if key in found:
                    raise RuntimeError(f"{module.__name__}.{name} is there twice: {found[key].__module__}")
                found[key] = function
    return found


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        yield importlib.import_module(info.name)


def _candidates(module: ModuleType) -> Iterator[tuple[str, Operation]]:
    """Public functions of a module's own that take `(call, request)`."""
    for name, function in inspect.getmembers(module, inspect.isfunction):
        own = function.__module__ == module.__name__ and not name.startswith("_")
        if own and list(inspect.signature(function).parameters) == ["call", "request"]:
            yield name, function
