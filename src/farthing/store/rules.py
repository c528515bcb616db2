"""What the database itself refuses, whoever writes: triggers, in the words of each database.

* a posting of a negative amount, or from an account to itself
* an entry whose postings do not add up to what it says came out of the capacity account
* a posting without its entry (a foreign key, looked at when the transaction ends) or added to an entry later
* a change of entries, postings, closed periods or retirements of clusters, and their removal
* an entry in a closed period, and one that reverses anything but what it says it reverses

Postings of a month that is in `archives`, and of no other, may leave and come back. Once the month leaves that table,
the postings of each of its entries must add up again.
"""

from collections.abc import Sequence
from typing import Final

APPEND_ONLY: Final = ("entries", "postings", "periods", "books")

_OUT = """
    (SELECT COALESCE(SUM(CASE WHEN credit LIKE 'capacity:%' THEN amount WHEN debit LIKE 'capacity:%' THEN -amount
     ELSE 0 END), 0) FROM postings WHERE entry = NEW.id)"""

_REVERSED = """
    EXISTS (SELECT 1 FROM entries e WHERE e.id = NEW.reverses AND e.subject = NEW.subject
     AND e.capacity = -NEW.capacity AND e.revision = NEW.revision - 1)"""

_REFUSALS: Final = {
    "entries": [
        (f"NEW.capacity <> {_OUT}", "an entry's postings must add up to its capacity"),
        ("EXISTS (SELECT 1 FROM periods WHERE period = NEW.period)", "the period is closed"),
        (f"NEW.reverses IS NOT NULL AND NOT {_REVERSED}", "a reversal takes back the entry before it, all of it"),
    ],
    "postings": [
        ("NEW.amount < 0 OR NEW.debit = NEW.credit", "a posting moves an amount from one account to another"),
        ("EXISTS (SELECT 1 FROM entries WHERE id = NEW.entry)", "an entry that is written cannot be added to"),
    ],
}


def statements(dialect: str) -> list[str]:
    """The DDL of all triggers for `sqlite` or `postgresql`."""
    return _sqlite() if dialect == "sqlite" else _postgresql()


def _sqlite() -> list[str]:
    made = [
        f"CREATE TRIGGER {table}_{i} BEFORE INSERT ON {table} WHEN {condition} "
        f"BEGIN SELECT RAISE(ABORT, '{said.replace(chr(39), chr(39) * 2)}'); END"
        for table, refusals in _REFUSALS.items()
        for i, (condition, said) in enumerate(refusals)
    ]
    return made + append_only_statements("sqlite", APPEND_ONLY)


def _postgresql() -> list[str]:
    made = []
    for table, refusals in _REFUSALS.items():
        made += [
            _function(f"{table}_check", refusals, "NEW"),
            f"CREATE TRIGGER {table}_check BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_check()",
        ]
    made.append(
        "CREATE FUNCTION stays() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION "
        "'what is written in % stays as it is', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END$$"
    )
    return made + append_only_statements("postgresql", APPEND_ONLY)


def append_only_statements(dialect: str, tables: Sequence[str]) -> list[str]:
    """The DDL that lets nothing in some tables be changed or removed."""
    if dialect == "sqlite":
        return [
            f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, 'what is written in {table} stays as it is'); END"
            for table in tables
            for verb in ("UPDATE", "DELETE")
        ]
    return [
        f"CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION stays()"
        for table in tables
    ]


def _function(name: str, refusals: Sequence[tuple[str, str]], answer: str) -> str:
    checks = " ".join(
        f"IF {condition} THEN RAISE EXCEPTION '{said.replace(chr(39), chr(39) * 2)}' "
        "USING ERRCODE = 'integrity_constraint_violation'; END IF;"
        for condition, said in refusals
    )
    body = f"BEGIN {checks} RETURN {answer}; END"
    return f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$"


# Archives ---------------------------------------------------------------------------------------------------------

_SAID_OF_ARCHIVES: Final = {
    "open": "only a closed month is archived",
    "short": "the postings of a month that is no longer archived must add up",
    "added": "an entry that is written cannot be added to",
    "stays": "what is written in postings stays as it is",
}
_IS_OPEN: Final = "NOT EXISTS (SELECT 1 FROM periods WHERE period = NEW.period)"
_IS_SHORT: Final = (
    "EXISTS (SELECT 1 FROM entries e WHERE e.period = OLD.period AND e.capacity <>"  # noqa: S608 -- our own words
    + _OUT.replace("NEW", "e")
    + ")"
)
_IS_ADDED: Final = """
    EXISTS (SELECT 1 FROM entries WHERE id = NEW.entry AND period NOT IN (SELECT period FROM archives))"""


def archive_statements(dialect: str) -> list[str]:
    """The DDL that lets archived months leave and come back, on top of `statements`."""
    return _sqlite_archives() if dialect == "sqlite" else _postgresql_archives()


def _sqlite_archives() -> list[str]:
    stays = "NOT EXISTS (SELECT 1 FROM entries JOIN archives USING (period) WHERE id = OLD.entry)"
    made = [
        ("archives_0", "INSERT ON archives", _IS_OPEN, "open"),
        ("archives_1", "DELETE ON archives", _IS_SHORT, "short"),
        ("postings_1", "INSERT ON postings", _IS_ADDED, "added"),
        ("postings_no_delete", "DELETE ON postings", stays, "stays"),
    ]
    return [
        "DROP TRIGGER postings_1",
        "DROP TRIGGER postings_no_delete",
        *(
            f"CREATE TRIGGER {name} BEFORE {what} WHEN {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{_SAID_OF_ARCHIVES[said]}'); END"
            for name, what, condition, said in made
        ),
    ]


def _postgresql_archives() -> list[str]:
    amount, _ = _REFUSALS["postings"]
    stays = "EXISTS (SELECT 1 FROM gone JOIN entries ON id = entry WHERE period NOT IN (SELECT period FROM archives))"
    no_update = (
        "CREATE TRIGGER postings_stays BEFORE UPDATE OR TRUNCATE ON postings "
        "FOR EACH STATEMENT EXECUTE FUNCTION stays()"
    )
    leave = (
        "CREATE TRIGGER postings_leave AFTER DELETE ON postings REFERENCING OLD TABLE AS gone "
        "FOR EACH STATEMENT EXECUTE FUNCTION postings_leave()"
    )
    return [
        _function("postings_check", [amount, (_IS_ADDED, _SAID_OF_ARCHIVES["added"])], "NEW"),
        _function("archives_check", [(_IS_OPEN, _SAID_OF_ARCHIVES["open"])], "NEW"),
        _function("archives_leave", [(_IS_SHORT, _SAID_OF_ARCHIVES["short"])], "OLD"),
        _function("postings_leave", [(stays, _SAID_OF_ARCHIVES["stays"])], "NULL"),
        "CREATE TRIGGER archives_check BEFORE INSERT ON archives FOR EACH ROW EXECUTE FUNCTION archives_check()",
        "CREATE TRIGGER archives_leave BEFORE DELETE ON archives FOR EACH ROW EXECUTE FUNCTION archives_leave()",
        "DROP TRIGGER postings_stays ON postings",
        no_update,
        leave,
    ]
