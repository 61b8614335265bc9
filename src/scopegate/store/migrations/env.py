"""Alembic's entry: it runs the revisions on the connection it was given, all of them in that one transaction."""

from alembic import context

from scopegate.store.migrations import VERSION_TABLE
from scopegate.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # true of SQLite too, for we say BEGIN ourselves: a failure leaves the old schema
    render_as_batch=True,
)
context.run_migrations()
