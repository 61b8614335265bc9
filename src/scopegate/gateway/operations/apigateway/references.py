"""Who refers to what inside a REST API: methods by authorizer, validator and model.

Asked before a part is deleted. Source: reference, control plane, section 3.3.
"""

from collections.abc import Callable, Iterator

from scopegate.gateway import queries
from scopegate.store.documents import Document
from scopegate.store.port import Tx


def methods_of(tx: Tx, api_id: str) -> Iterator[tuple[str, str, Document]]:
    """(path, verb, method) of every method of the API's draft."""
    for _, resource in queries.list_parts(tx, api_id, "resource"):
        for verb, method in resource.get("resourceMethods", {}).items():
            yield resource["path"], verb, method


def find_referring_method(tx: Tx, api_id: str, refers: Callable[[Document], bool]) -> tuple[str, str] | None:
    """(path, verb) of a method that refers to something; which one, when several do, is not promised."""
    return next(((path, verb) for path, verb, method in methods_of(tx, api_id) if refers(method)), None)
