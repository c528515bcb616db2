"""Rows of a CSV file, each with its place, and strict: what is missing, too much or no number is an error."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from farthing.model.errors import InvalidError, NotFoundError

MOST: Final = 1 << 40
"""No number in a file is larger."""

_SHOWN: Final = 30
"""Characters of a wrong field that a sentence shows."""


def read_rows(path: Path, columns: Sequence[str], what: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows by column, each with its place (`file:line`); all `columns` are there. `what` the file should be."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            named = rows.fieldnames or ()
            lacking = [column for column in columns if column not in named]
            if lacking:
                raise InvalidError(f"{path}:1", f"has no column {', '.join(lacking)}; expected {what}")
            for row in rows:
                where = f"{path}:{rows.line_num}"
                fields = len([v for v in row.values() if isinstance(v, str)]) + len(row.get(None, ()))
                if fields != len(named):
                    raise InvalidError(where, f"has {fields} fields; expected {len(named)}, as in line 1")
                yield where, row
    except OSError as error:
        raise NotFoundError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidError(str(path), f"is not text in UTF-8; expected {what}") from error
    except csv.Error as error:
        raise InvalidError(str(path), f"is not CSV: {error}; expected {what}") from error


def number(row: dict[str, str], column: str, where: str, most: int = MOST) -> int:
    """A whole number in a column, 0 or more."""
    text = row[column]
    if not (text.isascii() and text.isdecimal()) or len(text) > 15 or int(text) > most:
        said = repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."
        raise InvalidError(where, f"{column} is {said}; expected a whole number up to {most}")
    return int(text)
