"""Empty ledgers by the dozen: the tables are made once and copied."""

import itertools
import shutil
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from farthing.store.ledger import Ledger

_names = itertools.count()


def new_database(postgres: str, template: str = "template1") -> str:
    """The URL of a new database on the server whose maintenance database is `postgres`."""
    name = f"ledger{next(_names)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return postgres.replace("/postgres?", f"/{name}?")


class Copies:
    """Ledgers in files of a folder, or in databases of a server."""

    def __init__(self, folder: Path, postgres: str = "") -> None:
        self.folder = folder
        self._postgres = postgres
        self._template = self._url_of_template()
        Ledger.open(self._template).close()

    def _url_of_template(self) -> str:
        return new_database(self._postgres) if self._postgres else f"sqlite:///{self.folder}/template.db"

    def new(self) -> Ledger:
        if self._postgres:
            template = make_url(self._template).database or ""
            return Ledger.open(new_database(self._postgres, template))
        path = self.folder / f"{next(_names)}.db"
        shutil.copyfile(self.folder / "template.db", path)
        return Ledger.open(f"sqlite:///{path}")

    def drop(self, ledger: Ledger) -> None:
        name = str(ledger.database.engine.url.database)
        ledger.close()
        if self._postgres:
            with psycopg.connect(self._postgres, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {name.lstrip('/')} WITH (FORCE)")
        else:
            for path in self.folder.glob(f"{Path(name).name}*"):
                path.unlink()
