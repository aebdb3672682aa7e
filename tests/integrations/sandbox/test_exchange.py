"""The rates of the simulated business: one a week, alike from the same seed, readable by our own page."""

from __future__ import annotations

import datetime as dt

from integrations.sandbox.exchange import Rates, simulate_rates
from ledgerhub.ledger.forms import read_rates

START, HORIZON = dt.date(2026, 7, 1), dt.date(2026, 8, 15)


def test_every_day_has_the_rate_of_its_week() -> None:
    rates = simulate_rates(7, start=START, horizon=HORIZON)
    assert rates == simulate_rates(7, start=START, horizon=HORIZON)
    assert rates != simulate_rates(8, start=START, horizon=HORIZON)
    days = [START + dt.timedelta(days=n) for n in range((HORIZON - START).days + 1)]
    assert all(rates.at(currency, day) for currency in ("CAD", "GBP") for day in days)
    assert len({rates.at("CAD", day) for day in days}) == 7


def test_halves_go_to_the_even_cent() -> None:
    rates = Rates({("CAD", dt.date(2026, 6, 29)): 5_000})
    found = [rates.in_dollars(amount, "CAD", START) for amount in (1, 2, 3, 5, -3, -5)]
    assert found == [0, 1, 2, 2, -2, -2]


def test_the_file_is_one_that_the_page_of_rates_takes() -> None:
    rates = simulate_rates(7, start=START, horizon=HORIZON)
    rows = list(read_rates(rates.csv(), "USD"))
    assert {row.problem for row in rows} == {""}
    assert {(row.currency, row.date): int(row.rate * 10_000) for row in rows} == rates.rows
