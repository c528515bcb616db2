"""What the database itself refuses, whoever writes: triggers, in the words of each database.

* a posting of a negative amount, or from an account to itself
* an entry whose postings do not add up to what it says came out of the capacity account
* a posting without its entry (a foreign key, looked at when the transaction ends) or added to an entry later
* a change of entries, postings or closed periods, and their removal
* an entry in a closed period, and one that reverses anything but what it says it reverses
"""

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
    return made + [
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, 'what is written in {table} stays as it is'); END"
        for table in APPEND_ONLY
        for verb in ("UPDATE", "DELETE")
    ]


def _postgresql() -> list[str]:
    made = []
    for table, refusals in _REFUSALS.items():
        checks = " ".join(
            f"IF {condition} THEN RAISE EXCEPTION '{said.replace(chr(39), chr(39) * 2)}' "
            "USING ERRCODE = 'integrity_constraint_violation'; END IF;"
            for condition, said in refusals
        )
        body = f"BEGIN {checks} RETURN NEW; END"
        made += [
            f"CREATE FUNCTION {table}_check() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
            f"CREATE TRIGGER {table}_check BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_check()",
        ]
    made.append(
        "CREATE FUNCTION stays() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION "
        "'what is written in % stays as it is', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END$$"
    )
    return made + [
        f"CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION stays()"
        for table in APPEND_ONLY
    ]
