"""The tables' history: one file a version, run by Alembic when a ledger is opened. Start with `versions/`."""
