"""The gateway's only SQL: APIs, their parts, and what an account has beside them, as documents.

A part is found by (api id, kind, part id). Kinds, part ids and documents:

REST (v1 spelling, camelCase): `resource` id → Resource with `resourceMethods` whole (method, methodIntegration,
methodResponses, integrationResponses); `authorizer` id → Authorizer; `model` name → Model; `request_validator` id;
`gateway_response` responseType; `documentation_part` id; `documentation_version` version → DocumentationVersion +
"parts"; `deployment` id → {"id", "createdDate", "description", "snapshot"}; `stage` name → Stage.
HTTP (v2 model spelling, PascalCase members as in botocore): `route` RouteId, `integration` IntegrationId,
`integration_response` "IntegrationId ResponseId", `authorizer` AuthorizerId, `model` ModelId, `deployment`
DeploymentId → Deployment + "Snapshot", `stage` StageName → Stage.

A REST snapshot is {"api", "resources": [Resource…], "models": [Model…], "request_validators": [RequestValidator…],
"gateway_responses": [GatewayResponse…]}; authorizers are live by id. An HTTP snapshot is {"api", "routes",
"integrations", "authorizers"}: lists of documents.

Each write of an API, or of a part that its stages are compiled from, says `changed("api", api_id)`; a draft is nothing
to the data plane until it is deployed.

Beside APIs, an account has in a region, by (kind, part id): `account` "" → Account (v1); `api_key` id; `usage_plan` id;
`usage_plan_key` "PlanId KeyId" → UsagePlanKey without value and name + "grant": what UpdateUsage granted. Each write of
the last three says `changed("api_key", "account region kind part_id")`: `usage.py` holds them.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import delete, func, select, text

from scopegate.ports import Use
from scopegate.store import documents
from scopegate.store.documents import Document
from scopegate.store.port import Tx
from scopegate.store.tables import api_key_uses, api_parts, apis, gateway_account_parts

_LIVE: Final = frozenset({"authorizer", "deployment", "stage"})
"""The kinds of parts that a compiled view reads."""

_OF_KEYS: Final = ("api_key", "usage_plan", "usage_plan_key")


def find_api(tx: Tx, account: str, region: str, protocol: str, api_id: str) -> Document | None:
    return documents.find(tx, apis, api_id=api_id, account=account, region=region, protocol=protocol)


def put_api(tx: Tx, account: str, region: str, protocol: str, api_id: str, document: Document) -> None:
    also = {"account": account, "region": region, "protocol": protocol}
    documents.put(tx, apis, document, also=also, api_id=api_id)
    tx.changed("api", api_id)


def delete_api(tx: Tx, api_id: str) -> bool:
    documents.remove(tx, api_parts, api_id=api_id)
    removed = documents.remove(tx, apis, api_id=api_id)
    tx.changed("api", api_id)
    return removed > 0


def list_apis(
    tx: Tx, account: str, region: str, protocol: str, *, after: str | None = None, size: int | None = None
) -> Sequence[tuple[str, Document]]:
    """(api id, document) in the order of ids."""
    return documents.page(tx, apis, "api_id", after=after, size=size, account=account, region=region, protocol=protocol)


def find_owner(tx: Tx, api_id: str) -> tuple[str, str, str, Document] | None:
    """(account, region, protocol, document) of an API whoever owns it: for compilation and id collisions."""
    row = tx.sql.execute(
        select(apis.c.account, apis.c.region, apis.c.protocol, apis.c.document).where(apis.c.api_id == api_id)
    ).first()
    return None if row is None else (row[0], row[1], row[2], row[3])


def all_api_ids(tx: Tx) -> Sequence[str]:
    return [row[0] for row in tx.sql.execute(select(apis.c.api_id).order_by(apis.c.api_id))]


def find_part(tx: Tx, api_id: str, kind: str, part_id: str) -> Document | None:
    return documents.find(tx, api_parts, api_id=api_id, kind=kind, part_id=part_id)


def put_part(tx: Tx, api_id: str, kind: str, part_id: str, document: dict[str, Any]) -> None:
    documents.put(tx, api_parts, document, api_id=api_id, kind=kind, part_id=part_id)
    if kind in _LIVE:
        tx.changed("api", api_id)


def delete_part(tx: Tx, api_id: str, kind: str, part_id: str) -> bool:
    removed = documents.remove(tx, api_parts, api_id=api_id, kind=kind, part_id=part_id)
    if kind in _LIVE:
        tx.changed("api", api_id)
    return removed > 0


def list_parts(
    tx: Tx, api_id: str, kind: str, *, after: str | None = None, size: int | None = None
) -> Sequence[tuple[str, Document]]:
    """(part id, document) in the order of part ids."""
    return documents.page(tx, api_parts, "part_id", after=after, size=size, api_id=api_id, kind=kind)


def find_account_part(tx: Tx, account: str, region: str, kind: str, part_id: str) -> Document | None:
    return documents.find(tx, gateway_account_parts, account=account, region=region, kind=kind, part_id=part_id)


def put_account_part(tx: Tx, account: str, region: str, kind: str, part_id: str, document: Document) -> None:
    documents.put(tx, gateway_account_parts, document, account=account, region=region, kind=kind, part_id=part_id)
    _say_changed(tx, account, region, kind, part_id)


def delete_account_part(tx: Tx, account: str, region: str, kind: str, part_id: str) -> bool:
    keys = {"account": account, "region": region, "kind": kind, "part_id": part_id}
    removed = documents.remove(tx, gateway_account_parts, **keys)
    _say_changed(tx, account, region, kind, part_id)
    return removed > 0


def _say_changed(tx: Tx, account: str, region: str, kind: str, part_id: str) -> None:
    if kind in _OF_KEYS:
        tx.changed("api_key", f"{account} {region} {kind} {part_id}")


def list_account_parts(
    tx: Tx, account: str, region: str, kind: str, *, after: str | None = None, size: int | None = None
) -> Sequence[tuple[str, Document]]:
    """(part id, document) in the order of part ids."""
    keys = {"account": account, "region": region, "kind": kind}
    return documents.page(tx, gateway_account_parts, "part_id", after=after, size=size, **keys)


def list_key_parts(tx: Tx) -> Sequence[tuple[str, str, str, str, Document]]:
    """(account, region, kind, part id, document) of every API key, usage plan and key of a plan."""
    columns = gateway_account_parts.c
    query = select(columns.account, columns.region, columns.kind, columns.part_id, columns.document)
    found = tx.sql.execute(query.where(columns.kind.in_(_OF_KEYS)))
    return [(row[0], row[1], row[2], row[3], row[4]) for row in found]


# Uses of API keys: a record per plan, key and day

_ADD: Final = text(
    "INSERT INTO api_key_uses (account, region, plan_id, key_id, day, uses) "
    "VALUES (:account, :region, :plan_id, :key_id, :day, :uses) "
    "ON CONFLICT (account, region, plan_id, key_id, day) DO UPDATE SET uses = api_key_uses.uses + excluded.uses"
)


def add_uses(tx: Tx, rows: Iterable[tuple[Use, int, int]]) -> None:
    """Add uses: (whose, day, how many)."""
    tx.sql.execute(_ADD, [{**use._asdict(), "day": day, "uses": uses} for use, day, uses in rows])


def sum_uses(tx: Tx, use: Use, since: int) -> int:
    """How many uses there are from day `since` on."""
    columns = api_key_uses.c
    query = select(func.sum(columns.uses)).where(*_of_plan(use), columns.key_id == use.key_id, columns.day >= since)
    return int(tx.sql.execute(query).scalar() or 0)


def list_uses(tx: Tx, use: Use, first: int, last: int) -> Sequence[tuple[str, int, int]]:
    """(key id, day, uses) of a plan on the days from `first` to `last`; of all its keys when `use` names none."""
    columns = api_key_uses.c
    query = select(columns.key_id, columns.day, columns.uses).where(
        *_of_plan(use), columns.day >= first, columns.day <= last
    )
    if use.key_id:
        query = query.where(columns.key_id == use.key_id)
    return [(row[0], row[1], row[2]) for row in tx.sql.execute(query)]


def drop_uses(tx: Tx, *, before: int) -> None:
    tx.sql.execute(delete(api_key_uses).where(api_key_uses.c.day < before))


def drop_uses_of_plan(tx: Tx, use: Use) -> None:
    tx.sql.execute(delete(api_key_uses).where(*_of_plan(use)))


def _of_plan(use: Use) -> tuple[Any, ...]:
    columns = api_key_uses.c
    return columns.account == use.account, columns.region == use.region, columns.plan_id == use.plan_id
