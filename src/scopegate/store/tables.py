"""Every table, in one place.

*Definitions* (pools, clients, APIs, functions, stacks) are rows of key columns and one JSON document, which holds the
wire shape of the AWS API without its secrets; secrets stand apart, sealed. *Records* have proper columns and indexes.
A change here needs a migration (`python -m scopegate.store.migrations` says how); a test holds the two together.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
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


# userpools: people

users: Final = Table(
    "users",
    metadata,
    Column("pool_id", TEXT, ForeignKey("user_pools.pool_id", ondelete="CASCADE"), primary_key=True),
    Column("name_key", TEXT, primary_key=True),  # the user name as it is compared
    Column("username", TEXT, nullable=False),
    Column("sub", TEXT, nullable=False),
    Column("status", TEXT, nullable=False),  # UserStatusType
    Column("enabled", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("modified_at", Float, nullable=False),
    Column("document", JSON, nullable=False),  # attributes, preferences, what the rules of passwords remember
    Column("password", TEXT),  # argon2id
    Column("secrets", LargeBinary),  # SRP verifier and TOTP secret as JSON, sealed
    Column("failures", Integer, nullable=False),  # wrong passwords in a row
    Column("locked_until", Float, nullable=False),
    Index(None, "pool_id", "sub", unique=True),
    Index(None, "pool_id", "status", "name_key"),
    Index(None, "pool_id", "enabled", "name_key"),
)

user_aliases: Final = Table(
    "user_aliases",  # what else a user signs in with; belongs to one user of the pool
    metadata,
    Column("pool_id", TEXT, primary_key=True),
    Column("attribute", TEXT, primary_key=True),  # email, phone_number or preferred_username
    Column("value", TEXT, primary_key=True),
    Column("name_key", TEXT, nullable=False),
    ForeignKeyConstraint(["pool_id", "name_key"], ["users.pool_id", "users.name_key"], ondelete="CASCADE"),
    Index(None, "pool_id", "name_key"),
)

user_attributes: Final = Table(
    "user_attributes",  # those that ListUsers searches
    metadata,
    Column("pool_id", TEXT, primary_key=True),
    Column("attribute", TEXT, primary_key=True),
    Column("value", TEXT, primary_key=True),
    Column("name_key", TEXT, primary_key=True),
    ForeignKeyConstraint(["pool_id", "name_key"], ["users.pool_id", "users.name_key"], ondelete="CASCADE"),
    Index(None, "pool_id", "name_key"),
)

user_groups: Final = Table(
    "user_groups",
    metadata,
    Column("pool_id", TEXT, ForeignKey("user_pools.pool_id", ondelete="CASCADE"), primary_key=True),
    Column("group_name", TEXT, primary_key=True),
    Column("document", JSON, nullable=False),  # GroupType
)

user_group_members: Final = Table(
    "user_group_members",
    metadata,
    Column("pool_id", TEXT, primary_key=True),
    Column("name_key", TEXT, primary_key=True),
    Column("group_name", TEXT, primary_key=True),
    ForeignKeyConstraint(["pool_id", "name_key"], ["users.pool_id", "users.name_key"], ondelete="CASCADE"),
    Index(None, "pool_id", "group_name", "name_key"),
)

user_codes: Final = Table(
    "user_codes",  # confirmation, reset and verification codes that were sent
    metadata,
    Column("pool_id", TEXT, primary_key=True),
    Column("name_key", TEXT, primary_key=True),
    Column("purpose", TEXT, primary_key=True),  # sign_up, forgot_password, email or phone_number
    Column("digest", LargeBinary, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    Column("tries", Integer, nullable=False),
    Column("sent", Integer, nullable=False),  # since `window_at`
    Column("window_at", Float, nullable=False),
    ForeignKeyConstraint(["pool_id", "name_key"], ["users.pool_id", "users.name_key"], ondelete="CASCADE"),
)

sign_in_challenges: Final = Table(
    "sign_in_challenges",  # sign-ins that wait for an answer
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("pool_id", TEXT, ForeignKey("user_pools.pool_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("client_id", TEXT, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    Column("tries", Integer, nullable=False),
    Column("state", LargeBinary, nullable=False),  # JSON, sealed
)

sign_in_guesses: Final = Table(
    "sign_in_guesses",  # wrong passwords and codes, of late, by where they came from
    metadata,
    Column("pool_id", TEXT, ForeignKey("user_pools.pool_id", ondelete="CASCADE"), primary_key=True),
    Column("guesser", TEXT, primary_key=True),  # an address, or the network that one machine has to itself
    Column("expires_at", Float, nullable=False, index=True),  # when the last of them counts no more
)

login_sessions: Final = Table(
    "login_sessions",  # browsers that are signed in at a pool's pages
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("pool_id", TEXT, nullable=False),
    Column("name_key", TEXT, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    Column("document", JSON, nullable=False),
    ForeignKeyConstraint(["pool_id", "name_key"], ["users.pool_id", "users.name_key"], ondelete="CASCADE"),
    Index(None, "pool_id", "name_key"),
)

authorization_codes: Final = Table(
    "authorization_codes",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("pool_id", TEXT, nullable=False),
    Column("name_key", TEXT, nullable=False),
    Column("client_id", TEXT, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    Column("redeemed", Boolean, nullable=False),
    Column("document", JSON, nullable=False),
    ForeignKeyConstraint(["pool_id", "name_key"], ["users.pool_id", "users.name_key"], ondelete="CASCADE"),
    Index(None, "pool_id", "name_key"),
)

token_families: Final = Table(
    "token_families",  # one for each sign-in that gave tokens
    metadata,
    Column("origin_jti", TEXT, primary_key=True),
    Column("pool_id", TEXT, nullable=False),
    Column("name_key", TEXT, nullable=False),
    Column("client_id", TEXT, nullable=False, index=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    Column("revoked", Boolean, nullable=False),
    Column("token", LargeBinary),  # digest of the refresh token; none for implicit grants
    Column("previous", LargeBinary),  # digest of the one before, under rotation
    Column("rotated_at", Float),
    Column("document", JSON, nullable=False),
    ForeignKeyConstraint(["pool_id", "name_key"], ["users.pool_id", "users.name_key"], ondelete="CASCADE"),
    Index(None, "pool_id", "name_key"),
)

revocations: Final = Table(
    "revocations",  # tokens that were handed out and count no more
    metadata,
    Column("pool_id", TEXT, ForeignKey("user_pools.pool_id", ondelete="CASCADE"), primary_key=True),
    Column("subject", TEXT, primary_key=True),  # `origin_jti` of a sign-in, or `sub` of a user
    Column("until", Float, nullable=False),  # tokens issued until then
    Column("expires_at", Float, nullable=False, index=True),
)

outbox: Final = Table(
    "outbox",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("pool_id", TEXT, ForeignKey("user_pools.pool_id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("username", TEXT, nullable=False),
    Column("medium", TEXT, nullable=False),  # EMAIL or SMS
    Column("destination", TEXT, nullable=False),
    Column("purpose", TEXT, nullable=False),  # as in the trigger source of CustomMessage
    Column("message", LargeBinary, nullable=False),  # subject and body as JSON, sealed
    Index(None, "pool_id", "number"),
    sqlite_autoincrement=True,
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

api_key_uses: Final = Table(
    "api_key_uses",  # calls that a usage plan counted for a key on a day
    metadata,
    Column("account", TEXT, primary_key=True),
    Column("region", TEXT, primary_key=True),
    Column("plan_id", TEXT, primary_key=True),
    Column("key_id", TEXT, primary_key=True),
    Column("day", Integer, primary_key=True),  # since 1970-01-01, UTC
    Column("uses", BigInteger, nullable=False),
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
    Column("user_id", TEXT),  # AIDA…, of the IAM user whose policies decide; none: an operator's
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
