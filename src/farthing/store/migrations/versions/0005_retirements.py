"""Clusters of which nothing is expected any more.

Revision ID: 0005
"""

import sqlalchemy as sa
from alembic import op

from farthing.store.rules import append_only_statements

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "retirements",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("said_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("said_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    for statement in append_only_statements(op.get_bind().dialect.name, ("retirements",)):
        op.execute(sa.text(statement.replace(":", "\\:")))
