"""Guesses of passwords and codes, by where they came from."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "sign_in_guesses",
        sa.Column("pool_id", TEXT, nullable=False),
        sa.Column("guesser", TEXT, nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["user_pools.pool_id"], name="fk_sign_in_guesses_pool_id_user_pools", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pool_id", "guesser", name="pk_sign_in_guesses"),
    )
    op.create_index("ix_sign_in_guesses_expires_at", "sign_in_guesses", ["expires_at"], unique=False)
