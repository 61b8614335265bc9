"""People: users, groups, sign-ins, their tokens and messages."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("username", TEXT, nullable=False),
        sa.Column("medium", TEXT, nullable=False),
        sa.Column("destination", TEXT, nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("message", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["user_pools.pool_id"], name="fk_outbox_pool_id_user_pools", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name="pk_outbox"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_pool_id_number", "outbox", ["pool_id", "number"], unique=False)
    op.create_table(
        "revocations",
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("subject", TEXT, nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["user_pools.pool_id"], name="fk_revocations_pool_id_user_pools", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pool_id", "subject", name="pk_revocations"),
    )
    op.create_index("ix_revocations_expires_at", "revocations", ["expires_at"], unique=False)
    op.create_table(
        "sign_in_challenges",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["user_pools.pool_id"], name="fk_sign_in_challenges_pool_id_user_pools", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_sign_in_challenges"),
    )
    op.create_index("ix_sign_in_challenges_expires_at", "sign_in_challenges", ["expires_at"], unique=False)
    op.create_index("ix_sign_in_challenges_pool_id", "sign_in_challenges", ["pool_id"], unique=False)
    op.create_table(
        "user_groups",
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("group_name", TEXT, nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["user_pools.pool_id"], name="fk_user_groups_pool_id_user_pools", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pool_id", "group_name", name="pk_user_groups"),
    )
    op.create_table(
        "users",
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("name_key", TEXT, nullable=False),
        sa.Column("username", TEXT, nullable=False),
        sa.Column("sub", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("modified_at", sa.Float(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("password", TEXT, nullable=True),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("locked_until", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["user_pools.pool_id"], name="fk_users_pool_id_user_pools", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pool_id", "name_key", name="pk_users"),
    )
    op.create_index("ix_users_pool_id_enabled_name_key", "users", ["pool_id", "enabled", "name_key"], unique=False)
    op.create_index("ix_users_pool_id_status_name_key", "users", ["pool_id", "status", "name_key"], unique=False)
    op.create_index("ix_users_pool_id_sub", "users", ["pool_id", "sub"], unique=True)
    op.create_table(
        "authorization_codes",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("name_key", TEXT, nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("redeemed", sa.Boolean(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id", "name_key"],
            ["users.pool_id", "users.name_key"],
            name="fk_authorization_codes_pool_id_name_key_users",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_authorization_codes"),
    )
    op.create_index("ix_authorization_codes_expires_at", "authorization_codes", ["expires_at"], unique=False)
    op.create_index(
        "ix_authorization_codes_pool_id_name_key", "authorization_codes", ["pool_id", "name_key"], unique=False
    )
    op.create_table(
        "login_sessions",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("name_key", TEXT, nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id", "name_key"],
            ["users.pool_id", "users.name_key"],
            name="fk_login_sessions_pool_id_name_key_users",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", name="pk_login_sessions"),
    )
    op.create_index("ix_login_sessions_expires_at", "login_sessions", ["expires_at"], unique=False)
    op.create_index("ix_login_sessions_pool_id_name_key", "login_sessions", ["pool_id", "name_key"], unique=False)
    op.create_table(
        "token_families",
        sa.Column("origin_jti", TEXT, nullable=False),
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("name_key", TEXT, nullable=False),
        sa.Column("client_id", TEXT, nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.Column("previous", sa.LargeBinary(), nullable=True),
        sa.Column("rotated_at", sa.Float(), nullable=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id", "name_key"],
            ["users.pool_id", "users.name_key"],
            name="fk_token_families_pool_id_name_key_users",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("origin_jti", name="pk_token_families"),
    )
    op.create_index("ix_token_families_client_id", "token_families", ["client_id"], unique=False)
    op.create_index("ix_token_families_expires_at", "token_families", ["expires_at"], unique=False)
    op.create_index("ix_token_families_pool_id_name_key", "token_families", ["pool_id", "name_key"], unique=False)
    op.create_table(
        "user_aliases",
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("attribute", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.Column("name_key", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id", "name_key"],
            ["users.pool_id", "users.name_key"],
            name="fk_user_aliases_pool_id_name_key_users",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("pool_id", "attribute", "value", name="pk_user_aliases"),
    )
    op.create_index("ix_user_aliases_pool_id_name_key", "user_aliases", ["pool_id", "name_key"], unique=False)
    op.create_table(
        "user_attributes",
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("attribute", TEXT, nullable=False),
        sa.Column("value", TEXT, nullable=False),
        sa.Column("name_key", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id", "name_key"],
            ["users.pool_id", "users.name_key"],
            name="fk_user_attributes_pool_id_name_key_users",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("pool_id", "attribute", "value", "name_key", name="pk_user_attributes"),
    )
    op.create_index("ix_user_attributes_pool_id_name_key", "user_attributes", ["pool_id", "name_key"], unique=False)
    op.create_table(
        "user_codes",
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("name_key", TEXT, nullable=False),
        sa.Column("purpose", TEXT, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("window_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id", "name_key"],
            ["users.pool_id", "users.name_key"],
            name="fk_user_codes_pool_id_name_key_users",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("pool_id", "name_key", "purpose", name="pk_user_codes"),
    )
    op.create_index("ix_user_codes_expires_at", "user_codes", ["expires_at"], unique=False)
    op.create_table(
        "user_group_members",
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("name_key", TEXT, nullable=False),
        sa.Column("group_name", TEXT, nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id", "name_key"],
            ["users.pool_id", "users.name_key"],
            name="fk_user_group_members_pool_id_name_key_users",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("pool_id", "name_key", "group_name", name="pk_user_group_members"),
    )
    op.create_index(
        "ix_user_group_members_pool_id_group_name_name_key",
        "user_group_members",
        ["pool_id", "group_name", "name_key"],
        unique=False,
    )
