"""The only room that speaks SQL: the ledger in SQLite or PostgreSQL, the same tables and rules in both.

Entries are only ever added, and the database itself refuses what does not balance, what changes the past and what
goes into a closed period (`rules.py`). Never here: prices and rating, which are `farthing.ledger`'s.
Start with `ledger.py` (writing), then `ask.py` (reading).
"""
