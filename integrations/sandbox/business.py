"""Simulates the whole business from one seed: same seed and size, same bytes."""

from __future__ import annotations

import datetime as dt
import functools
from itertools import chain
from types import MappingProxyType

from integrations.sandbox.banking import simulate_bank
from integrations.sandbox.catalog import SYSTEMS
from integrations.sandbox.direct import simulate_direct
from integrations.sandbox.events import Business
from integrations.sandbox.exchange import simulate_rates
from integrations.sandbox.shop import simulate_shop
from integrations.sandbox.venture import Plan

NAME = "Harbor Coffee Co."
END = dt.date(2026, 10, 31)
DAYS = 123
AHEAD = 45


@functools.lru_cache(maxsize=4)
def simulate(seed: int = 7, *, orders: int = 400, end: dt.date = END, ahead: int = AHEAD) -> Business:
    """About `orders` web orders in the 123 days up to `end`, and `ahead` days of future for the clock.

    Pure and cached: the result is immutable and may be shared.
    """
    start = end - dt.timedelta(days=DAYS - 1)
    horizon = end + dt.timedelta(days=ahead)
    count = orders + orders * ahead // DAYS
    shop = simulate_shop(seed, start=start, horizon=horizon, count=count)
    direct = simulate_direct(seed, start=start, horizon=horizon, count=max(48, count // 5))
    rates = simulate_rates(seed, start=start, horizon=horizon)
    plan = Plan(seed, start, end, horizon, count, shop.customers, direct.clients, rates)
    ventures = {key: system.venture(plan) for key, system in SYSTEMS.items() if system.venture}
    accounts, lines = simulate_bank(
        seed,
        start=start,
        horizon=horizon,
        orders=shop.orders,
        payouts=shop.payouts + direct.payouts + tuple(chain(*(one.payouts for one in ventures.values()))),
        others=chain(*(one.bank_drafts for one in ventures.values())),
    )
    return Business(
        seed=seed,
        name=NAME,
        start=start,
        end=end,
        horizon=horizon,
        customers=shop.customers,
        products=shop.products,
        orders=shop.orders,
        shop_lines=shop.lines,
        shop_payouts=shop.payouts,
        shop_disputes=shop.disputes,
        clients=direct.clients,
        charges=direct.charges,
        refunds=direct.refunds,
        disputes=direct.disputes,
        stripe_lines=direct.lines,
        stripe_payouts=direct.payouts,
        accounts=accounts,
        bank_lines=lines,
        rates=rates,
        ventures=MappingProxyType(ventures),
    )
