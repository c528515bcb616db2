"""Intervals are found by their ends as well.

Ledgers of some days had this index from the start, hence `if_not_exists`.

Revision ID: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_index("intervals_by_end", "intervals", ["end", "cluster", "device"], if_not_exists=True)
