"""Every table of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "access_keys",
        sa.Column("access_key_id", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("user_name", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("access_key_id", name="pk_access_keys"),
    )
    op.create_table(
        "apis",
        sa.Column("api_id", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("protocol", TEXT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("api_id", name="pk_apis"),
    )
    op.create_index("ix_apis_account_region_protocol", "apis", ["account", "region", "protocol"], unique=False)
    op.create_table(
        "async_invocations",
        sa.Column("request_id", TEXT, nullable=False),
        sa.Column("function_arn", TEXT, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("accepted_at", sa.Float(), nullable=False),
        sa.Column("next_try_at", sa.Float(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_async_invocations"),
    )
    op.create_index("ix_async_invocations_next_try_at", "async_invocations", ["next_try_at"], unique=False)
    op.create_table(
        "changes",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_changes"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "function_aliases",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("alias", TEXT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "name", "alias", name="pk_function_aliases"),
    )
    op.create_table(
        "function_code",
        sa.Column("sha256", TEXT, nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("zip", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_function_code"),
    )
    op.create_table(
        "function_code_uses",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("sha256", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "kind", "name", "version", "sha256", name="pk_function_code_uses"),
    )
    op.create_index("ix_function_code_uses_sha256", "function_code_uses", ["sha256"], unique=False)
    op.create_table(
        "function_layers",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "name", "version", name="pk_function_layers"),
    )
    op.create_table(
        "function_policies",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("qualifier", TEXT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "name", "qualifier", name="pk_function_policies"),
    )
    op.create_table(
        "function_versions",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("environment", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("account", "region", "name", "version", name="pk_function_versions"),
    )
    op.create_table(
        "functions",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("environment", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("account", "region", "name", name="pk_functions"),
    )
    op.create_table(
        "gateway_account_parts",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("part_id", TEXT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "kind", "part_id", name="pk_gateway_account_parts"),
    )
    op.create_table(
        "iam_entities",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account", "kind", "name", name="pk_iam_entities"),
    )
    op.create_table(
        "meta",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "stacks",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("stack_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("account", "region", "stack_id", name="pk_stacks"),
    )
    op.create_index("ix_stacks_account_region_name", "stacks", ["account", "region", "name"], unique=False)
    op.create_table(
        "user_pools",
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("pool_id", name="pk_user_pools"),
    )
    op.create_index("ix_user_pools_account_region", "user_pools", ["account", "region"], unique=False)
    op.create_table(
        "api_parts",
        sa.Column("api_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("part_id", TEXT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["api_id"], ["apis.api_id"], name="fk_api_parts_api_id_apis", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("api_id", "kind", "part_id", name="pk_api_parts"),
    )
    op.create_table(
        "resource_servers",
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("identifier", TEXT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["user_pools.pool_id"], name="fk_resource_servers_pool_id_user_pools", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pool_id", "identifier", name="pk_resource_servers"),
    )
    op.create_table(
        "user_pool_clients",
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["user_pools.pool_id"], name="fk_user_pool_clients_pool_id_user_pools", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", name="pk_user_pool_clients"),
    )
    op.create_index("ix_user_pool_clients_pool_id", "user_pool_clients", ["pool_id"], unique=False)
    op.create_table(
        "user_pool_domains",
        sa.Column("domain", TEXT, nullable=False),
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("region", TEXT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["pool_id"], ["user_pools.pool_id"], name="fk_user_pool_domains_pool_id_user_pools"),
        sa.PrimaryKeyConstraint("domain", name="pk_user_pool_domains"),
    )
    op.create_index("ix_user_pool_domains_pool_id", "user_pool_domains", ["pool_id"], unique=False)
    op.create_table(
        "user_pool_keys",
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("kid", TEXT, nullable=False),
        sa.Column("use", TEXT, nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("retired_at", sa.Float(), nullable=True),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["user_pools.pool_id"], name="fk_user_pool_keys_pool_id_user_pools", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pool_id", "kid", name="pk_user_pool_keys"),
    )
    op.create_table(
        "user_pool_client_secrets",
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("secret_id", TEXT, nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["user_pool_clients.client_id"],
            name="fk_user_pool_client_secrets_client_id_user_pool_clients",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("client_id", "secret_id", name="pk_user_pool_client_secrets"),
    )
