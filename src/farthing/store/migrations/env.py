"""Runs migrations on the connection that `database.upgrade` hands over, inside its transaction."""

from alembic import context

from farthing.store.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
