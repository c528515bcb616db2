"""Closed months whose raw records have left for files.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

from farthing.store.rules import archive_statements

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "archives",
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.Column("restoring", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("period"),
    )
    for statement in archive_statements(op.get_bind().dialect.name):
        op.execute(sa.text(statement.replace(":", "\\:")))
