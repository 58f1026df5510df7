"""Alembic's entry: runs the migrations on the connection that `cases.migrate` hands over."""

from alembic import context

import cases.models

context.configure(
    connection=context.config.attributes["connection"], target_metadata=cases.models.METADATA, compare_type=True
)
with context.begin_transaction():
    context.run_migrations()
