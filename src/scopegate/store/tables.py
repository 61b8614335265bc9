"""Every table, in one place.

*Definitions* (pools, clients, APIs, functions, stacks) are rows of key columns and one JSON document, which holds the
wire shape of the AWS API without its secrets; secrets stand apart, sealed. *Records* have proper columns and indexes.
A change here needs a migration (`python -m scopegate.store.migrations` says how); a test holds the two together.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class _Text(TypeDecorator[str]):
    """Text of any length (the service models bound it) that both databases hold, compare and sort alike.

    A look-up with what PostgreSQL cannot hold (NUL, half a surrogate pair) finds nothing instead of failing: such
    characters become U+FFFD on their way in.
    """

    impl = Text().with_variant(Text(collation="C"), "postgresql")  # by code point, as SQLite sorts
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or (value.isascii() and "\0" not in value):
            return value
        return value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


TEXT: Final = _Text()


# the store itself

changes: Final = Table(
    "changes",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("kind", TEXT, nullable=False),
    Column("key", TEXT, nullable=False),
    sqlite_autoincrement=True,
)

meta: Final = Table(
    "meta",
    metadata,
    Column("name", TEXT, primary_key=True),
    Column("value", TEXT, nullable=False),
)


# userpools

user_pools: Final = Table(
    "user_pools",
    metadata,
    Column("pool_id", TEXT, primary_key=True),
    Column("account", TEXT, nullable=False),
    Column("region", TEXT, nullable=False),
    Column("document", JSON, nullable=False),  # UserPoolType
    Index(None, "account", "region"),
)

user_pool_keys: Final = Table(
    "user_pool_keys",
    metadata,
    Column("pool_id", TEXT, ForeignKey("user_pools.pool_id", ondelete="CASCADE"), primary_key=True),
    Column("kid", TEXT, primary_key=True),
    Column("use", TEXT, nullable=False),  # access or id
    Column("created_at", Float, nullable=False),
    Column("retired_at", Float),  # published until its last token dies
    Column("private_key", LargeBinary, nullable=False),  # PKCS #8 DER, sealed
)

user_pool_domains: Final = Table(
    "user_pool_domains",
    metadata,
    Column("domain", TEXT, primary_key=True),
    Column("pool_id", TEXT, ForeignKey("user_pools.pool_id"), nullable=False, index=True),
    Column("account", TEXT, nullable=False),
    Column("region", TEXT, nullable=False),
    Column("document", JSON, nullable=False),  # DomainDescriptionType
)

user_pool_clients: Final = Table(
    "user_pool_clients",
    metadata,
    Column("client_id", TEXT, primary_key=True),
    Column("pool_id", TEXT, ForeignKey("user_pools.pool_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("document", JSON, nullable=False),  # UserPoolClientType without ClientSecret
)

user_pool_client_secrets: Final = Table(
    "user_pool_client_secrets",
    metadata,
    Column("client_id", TEXT, ForeignKey("user_pool_clients.client_id", ondelete="CASCADE"), primary_key=True),
    Column("secret_id", TEXT, primary_key=True),
    Column("created_at", Float, nullable=False),
    Column("secret", LargeBinary, nullable=False),  # sealed
)

resource_servers: Final = Table(
    "resource_servers",
    metadata,
    Column("pool_id", TEXT, ForeignKey("user_pools.pool_id", ondelete="CASCADE"), primary_key=True),
    Column("identifier", TEXT, primary_key=True),
    Column("document", JSON, nullable=False),  # ResourceServerType
)


# gateway

apis: Final = Table(
    "apis",
    metadata,
    Column("api_id", TEXT, primary_key=True),
    Column("account", TEXT, nullable=False),
    Column("region", TEXT, nullable=False),
    Column("protocol", TEXT, nullable=False),  # REST, HTTP
    Column("document", JSON, nullable=False),  # RestApi, or Api of apigatewayv2
    Index(None, "account", "region", "protocol"),
)

api_parts: Final = Table(
    "api_parts",
    metadata,
    Column("api_id", TEXT, ForeignKey("apis.api_id", ondelete="CASCADE"), primary_key=True),
    Column("kind", TEXT, primary_key=True),  # resource, route, integration, stage, …
    Column("part_id", TEXT, primary_key=True),
    Column("document", JSON, nullable=False),
)

# What an account has in a region beside its APIs: settings, API keys, usage plans.
gateway_account_parts: Final = Table(
    "gateway_account_parts",
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("region", TEXT, primary_key=True),
    Column("kind", TEXT, primary_key=True),
    Column("part_id", TEXT, primary_key=True),
    Column("document", JSON, nullable=False),
)


# functions

functions: Final = Table(
    "functions",
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("region", TEXT, primary_key=True),
    Column("name", TEXT, primary_key=True),
    Column("document", JSON, nullable=False),  # what $LATEST and the function as a whole have
    Column("environment", LargeBinary),  # variables as JSON, sealed
)

function_versions: Final = Table(
    "function_versions",
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("region", TEXT, primary_key=True),
    Column("name", TEXT, primary_key=True),
    Column("version", TEXT, primary_key=True),
    Column("document", JSON, nullable=False),  # FunctionConfiguration, frozen
    Column("environment", LargeBinary),
)

function_aliases: Final = Table(
    "function_aliases",
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("region", TEXT, primary_key=True),
    Column("name", TEXT, primary_key=True),
    Column("alias", TEXT, primary_key=True),
    Column("document", JSON, nullable=False),  # AliasConfiguration
)

function_policies: Final = Table(
    "function_policies",
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("region", TEXT, primary_key=True),
    Column("name", TEXT, primary_key=True),
    Column("qualifier", TEXT, primary_key=True),  # "" for the function itself
    Column("document", JSON, nullable=False),  # {"RevisionId": …, "Statement": […]}
)

function_code: Final = Table(
    "function_code",
    metadata,
    Column("sha256", TEXT, primary_key=True),
    Column("size_bytes", Integer, nullable=False),
    Column("zip", LargeBinary, nullable=False),
)

function_code_uses: Final = Table(
    "function_code_uses",  # which packages a version of a function, or of a layer, needs
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("region", TEXT, primary_key=True),
    Column("kind", TEXT, primary_key=True),  # function or layer
    Column("name", TEXT, primary_key=True),
    Column("version", TEXT, primary_key=True),
    Column("sha256", TEXT, primary_key=True, index=True),
)

function_layers: Final = Table(
    "function_layers",
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("region", TEXT, primary_key=True),
    Column("name", TEXT, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("document", JSON, nullable=False),  # GetLayerVersionResponse, "Deleted", "Policy"
)

async_invocations: Final = Table(
    "async_invocations",
    metadata,
    Column("request_id", TEXT, primary_key=True),
    Column("function_arn", TEXT, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("accepted_at", Float, nullable=False),
    Column("next_try_at", Float, nullable=False, index=True),
    Column("tries", Integer, nullable=False),
)


# account

access_keys: Final = Table(
    "access_keys",
    metadata,
    Column("access_key_id", TEXT, primary_key=True),
    Column("account", TEXT, nullable=False),
    Column("user_name", TEXT, nullable=False),
    Column("status", TEXT, nullable=False),  # Active or Inactive
    Column("created_at", Float, nullable=False),
    Column("secret", LargeBinary, nullable=False),  # sealed
)

iam_entities: Final = Table(
    "iam_entities",
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("kind", TEXT, primary_key=True),  # role, policy, user, instance_profile
    Column("name", TEXT, primary_key=True),
    Column("document", JSON, nullable=False),
)


# stacks

stacks: Final = Table(
    "stacks",
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("region", TEXT, primary_key=True),
    Column("stack_id", TEXT, primary_key=True),
    Column("name", TEXT, nullable=False),
    Column("document", JSON, nullable=False),
    Index(None, "account", "region", "name"),
)
