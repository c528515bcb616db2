"""A ledger that an older Farthing made is brought up to date when it is opened, with all that is in it."""

from contextlib import closing

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from farthing.ledger.interval import DAY, Batch
from farthing.store.database import Database
from farthing.store.ledger import Ledger
from farthing.store.schema import metadata
from tests.ledgers import book, interval, supply
from tests.store.sums import by_kind


def as_it_was(url, version):
    """The tables as a version left them, with a share in them that is held."""
    with closing(Database.connect(url)) as database, database.writing() as connection:
        config = Config()
        config.set_main_option("script_location", "farthing.store:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, version)
        connection.execute(
            text(
                'INSERT INTO intervals (cluster, device, start, claim, share, "end", team, namespace, node, model,'
                ' compute, memory, isolation, pod, owners, "use", epoch, seq)'
                " VALUES ('c', :device, 0, 'x', 's', NULL, 'vision', 'n', 'n0', 'h100', 500, 0, '', '', '', 'share', 1, 1)"
            ),
            {"device": supply().device},
        )


def indexes(ledger):
    return {found["name"] for found in inspect(ledger.database.engine).get_indexes("intervals")}


@pytest.mark.parametrize("version", ["0001", "0002"])
def test_an_older_ledger_gets_the_newest_tables_and_keeps_what_is_in_it(url, version):
    as_it_was(url, version)
    with closing(Ledger.open(url)) as ledger:
        assert "intervals_by_end" in indexes(ledger)
        with ledger.database.reading() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        ledger.set_prices(book())
        ledger.ingest(Batch("c", 1, 1, DAY, (interval("y", end=DAY),), (supply(),)))
        ledger.settle()
        assert by_kind(ledger)["share"] == 24 * 3_600_000


def test_a_ledger_that_had_the_index_from_the_start_is_opened_as_well(url):
    as_it_was(url, "0002")
    with closing(Database.connect(url)) as database, database.writing() as connection:
        connection.execute(text('CREATE INDEX intervals_by_end ON intervals ("end", cluster, device)'))
    with closing(Ledger.open(url)) as ledger:
        assert "intervals_by_end" in indexes(ledger)


def test_a_ledger_without_the_index_lacked_it(url):
    as_it_was(url, "0002")
    with closing(Ledger(Database.connect(url))) as ledger:
        assert indexes(ledger) == set()
