"""Archives a month and restores it for ever, to be killed: `python -m tests.store.killed_archive URL FOLDER`."""

import contextlib
import sys
from pathlib import Path

from farthing.model.errors import NotFoundError
from farthing.store.archive import archive
from farthing.store.ledger import Ledger
from farthing.store.restore import restore

MONTH = "2026-11"


def main(url: str, folder: Path) -> None:
    ledger = Ledger.open(url)
    print("begun", flush=True)
    while True:
        with contextlib.suppress(NotFoundError):
            restore(ledger.database, MONTH)
        archive(ledger.database, MONTH, folder)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
