"""Whose an access key is: an operator's, or an IAM user's."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.add_column("access_keys", sa.Column("user_id", TEXT, nullable=True))
        return
    # SQLite keeps the words that a table was made and altered with; made anew, they are those of the code.
    op.rename_table("access_keys", "access_keys_0003")
    op.create_table(
        "access_keys",
        sa.Column("access_key_id", TEXT, nullable=False),
        sa.Column("account", TEXT, nullable=False),
        sa.Column("user_name", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("access_key_id", name="pk_access_keys"),
    )
    kept = "access_key_id, account, user_name, status, created_at, secret"
    op.execute(f"INSERT INTO access_keys ({kept}) SELECT {kept} FROM access_keys_0003")  # noqa: S608 - names of ours
    op.drop_table("access_keys_0003")
