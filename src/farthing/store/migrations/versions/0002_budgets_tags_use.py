"""Budgets that no cluster holds as objects, tags, and what is used of what was granted.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    for table in ("intervals", "postings"):
        op.add_column(table, sa.Column("tags", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "used",
        sa.Column("team", sa.Text(), nullable=False),
        sa.Column("day", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("workload", sa.Text(), nullable=False),
        sa.Column("busy", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("granted", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("used_mib", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("granted_mib", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("generated_tokens", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("requests", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("team", "day", "cluster", "namespace", "workload"),
        sqlite_with_rowid=False,
    )
