"""Whose an access key is: an operator's, or an IAM user's."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("access_keys", sa.Column("user_id", TEXT, nullable=True))
