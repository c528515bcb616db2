"""The tables, as the newest migration leaves them.

`supplies` and `intervals` are what meters said, each record as the latest batch has it; `progress` says how far each
meter's batches have come without a gap, `early` which came before their turn, `retirements` of which clusters nothing
is expected any more. `entries` and `postings` are the books; `daily` is their sum by day, kept in the same transaction.
`dirty` are devices and days to be rated (again). `used` is what was measured to be in use, by day. `archives` are
closed months whose postings and intervals have left for files of Parquet, or are on their way there or back. Intervals
are found by their ends as well: what is held now has none, and what ended lately is little of a long history.
"""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, Index, MetaData, Table, Text, UniqueConstraint

from farthing.ledger.interval import USED_NUMBERS

metadata = MetaData()


def _text(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=False)


def _number(name: str, *, key: bool = False, none: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, nullable=none, autoincrement=False)


progress = Table(
    "progress",
    metadata,
    _text("cluster", key=True),
    _number("epoch", key=True),
    _number("seq"),
    _number("watermark"),
)

early = Table(
    "early",
    metadata,
    _text("cluster", key=True),
    _number("epoch", key=True),
    _number("seq", key=True),
    _number("watermark"),
)

supplies = Table(
    "supplies",
    metadata,
    _text("cluster", key=True),
    _text("device", key=True),
    _number("start", key=True),
    _number("end", none=True),
    _text("node"),
    _text("model"),
    _number("compute"),
    _number("memory"),
    _text("commitment"),
    Column("spot", Boolean, nullable=False),
    _number("epoch"),
    _number("seq"),
)

intervals = Table(
    "intervals",
    metadata,
    _text("cluster", key=True),
    _text("device", key=True),
    _number("start", key=True),
    _text("claim", key=True),
    _text("share", key=True),
    _number("end", none=True),
    _text("team"),
    _text("namespace"),
    _text("node"),
    _text("model"),
    _number("compute"),
    _number("memory"),
    _text("isolation"),
    _text("pod"),
    _text("owners"),
    _text("use"),
    _number("epoch"),
    _number("seq"),
    _text("tags"),
    sqlite_with_rowid=False,
)

used = Table(
    "used",
    metadata,
    _text("team", key=True),
    _number("day", key=True),
    _text("cluster", key=True),
    _text("namespace", key=True),
    _text("workload", key=True),
    *(_number(name) for name in USED_NUMBERS),
    sqlite_with_rowid=False,
)

Index("intervals_by_end", intervals.c.end, intervals.c.cluster, intervals.c.device)

dirty = Table("dirty", metadata, _text("cluster", key=True), _number("day", key=True), _text("device", key=True))

settled = Table("settled", metadata, _text("cluster", key=True), _number("day"))

books = Table("books", metadata, _number("version", key=True), _number("since"), _text("currency"), _text("content"))

idle_rules = Table("idle_rules", metadata, _number("day", key=True), _text("content"))

budgets = Table("budgets", metadata, _text("name", key=True), _text("content"))

archives = Table(
    "archives",
    metadata,
    _text("period", key=True),
    _text("folder"),
    _text("files"),
    Column("restoring", Boolean, nullable=False),
)

retirements = Table(
    "retirements",
    metadata,
    _number("number", key=True),
    _text("cluster"),
    _number("since", none=True),
    _number("said_at"),
    _text("said_by"),
)
"""Events. Of a cluster's the last counts: `since` is from when on nothing is expected of it, NULL that it is."""

periods = Table("periods", metadata, _text("period", key=True), _number("closed_at"))

entries = Table(
    "entries",
    metadata,
    _number("id", key=True),
    _text("kind"),
    _text("subject"),
    _number("revision"),
    _number("reverses", none=True),
    _text("cluster"),
    _text("device"),
    _text("model"),
    _number("day"),
    _text("period"),
    _number("capacity"),
    _text("cause"),
    _text("digest"),
    UniqueConstraint("subject", "revision"),
    UniqueConstraint("reverses"),
    ForeignKeyConstraint(["reverses"], ["entries.id"]),
)
Index("entries_by_day", entries.c.cluster, entries.c.day)
Index("entries_by_period", entries.c.period)

postings = Table(
    "postings",
    metadata,
    _number("entry", key=True),
    _number("line", key=True),
    _text("debit"),
    _text("credit"),
    _number("amount"),
    _text("kind"),
    _text("team"),
    _text("namespace"),
    _text("workload"),
    _text("isolation"),
    _text("claim"),
    _text("share"),
    _number("start"),
    _number("seconds"),
    _number("milli_gpu_seconds"),
    _number("mib_seconds"),
    _text("tags"),
    ForeignKeyConstraint(["entry"], ["entries.id"], deferrable=True, initially="DEFERRED"),
    sqlite_with_rowid=False,
)

daily = Table(
    "daily",
    metadata,
    _text("period", key=True),
    _text("team", key=True),
    _number("day", key=True),
    _text("kind", key=True),
    _text("cluster", key=True),
    _text("namespace", key=True),
    _text("workload", key=True),
    _text("model", key=True),
    _text("isolation", key=True),
    _number("amount"),
    _number("seconds"),
    _number("milli_gpu_seconds"),
    _number("mib_seconds"),
    sqlite_with_rowid=False,
)
Index("daily_by_team", daily.c.team, daily.c.day)
Index("daily_by_day", daily.c.day)
