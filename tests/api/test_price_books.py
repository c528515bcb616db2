"""What the API server refuses of a PriceBook; what it lets in is read, and never edited."""

import pytest

from farthing.kube.connection import Connection
from farthing.ledger.read_prices import parse_price_book
from farthing.model.errors import InvalidError
from tests.api.objects import DRY

pytestmark = pytest.mark.cluster

PATH = "/apis/farthing.dev/v1alpha1/pricebooks"
DAY = {"from": "08:00", "to": "20:00", "weekdays": ["mon", "tue"]}
NIGHT = {"from": "22:00", "to": "06:00"}


def price_book(*lines, name="one", **spec):
    whole = {
        "version": 1,
        "since": "2026-01-01",
        "currency": "GBP",
        "lines": list(lines or ({"perHour": "1"},)),
        **spec,
    }
    meta = {"name": name}
    return {"apiVersion": "farthing.dev/v1alpha1", "kind": "PriceBook", "metadata": meta, "spec": whole}


def line(per_hour="1", **more):
    return {"perHour": per_hour, **more}


@pytest.mark.parametrize(
    "book",
    [
        price_book(),
        price_book(line(), line("2.5", model="h100"), line("3", model="h100", cluster="edge", commitment="year")),
        price_book(line(), line(window=DAY), line(window=DAY | {"weekdays": ["wed"]}), line(window=NIGHT)),
        price_book(line(), line(window=DAY), line(window={"from": "20:00", "to": "24:00", "weekdays": ["mon"]})),
        price_book(spotDiscount="0.6", isolation={"shared": "0.9", "hard": "1.25"}, since="2026-01-31T09:00Z"),
    ],
)
async def test_what_is_let_in_is_read(admin: Connection, book):
    stored = await admin.create(PATH, book, DRY)
    assert parse_price_book(stored["spec"]) == parse_price_book(book["spec"])


@pytest.mark.parametrize(
    ("book", "sentence"),
    [
        (price_book(line("-1")), "spec.lines[0].perHour in body should match"),
        (price_book({"model": "h100"}), "spec.lines[0].perHour: Required value"),
        (price_book(line("1e18")), "spec.lines[0].perHour in body should match"),
        (price_book(line("1" * 18)), "spec.lines[0].perHour"),
        (price_book(line("0.0000001")), "spec.lines[0].perHour in body should match"),
        (price_book(currency="XXX"), 'Unsupported value: "XXX"'),
        (price_book(version=0), "spec.version"),
        (price_book(since="soon"), "spec.since in body should match"),
        (price_book(lines=[]), "spec.lines"),
        (price_book(lines=[line(model=f"m{i}") for i in range(101)]), "spec.lines: Too many"),
        (price_book(spotDiscount="1.5"), "spec.spotDiscount in body should match"),
        (price_book(line(window={"from": "25:00"})), "spec.lines[0].window.from in body should match"),
        (price_book(line(window={"from": "09:00", "to": "09:00"})), "the window is empty; leave it out for all day"),
        (price_book(line(window={"weekdays": ["mon", "mon"]})), "Duplicate value"),
        (price_book(line(), line("2")), "two lines without a window speak of the same devices"),
        (
            price_book(line(), line(window=DAY), line(window=DAY)),
            "two lines with windows speak of the same devices and",
        ),
        (
            price_book(line(), line(window=DAY), line(window={"from": "19:00", "to": "21:00", "weekdays": ["tue"]})),
            "two lines with windows speak of the same devices and times",
        ),
    ],
)
async def test_a_wrong_book_is_refused_with_a_sentence(admin: Connection, book, sentence):
    with pytest.raises(InvalidError) as caught:
        await admin.create(PATH, book, DRY)
    assert sentence in str(caught.value)


async def test_a_book_is_never_edited(admin: Connection):
    await admin.create(PATH, price_book(name="stays"))
    try:
        with pytest.raises(InvalidError, match="a price book is never edited; make a new one with the next version"):
            await admin.patch(f"{PATH}/stays", {"spec": {"lines": [{"perHour": "2"}]}})
        await admin.patch(f"{PATH}/stays", {"metadata": {"labels": {"a": "b"}}})
    finally:
        await admin.delete(f"{PATH}/stays")
