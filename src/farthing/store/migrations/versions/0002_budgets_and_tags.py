"""Budgets that no cluster holds as objects, and tags.

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
