"""Simulates the whole business from one seed: same seed and size, same bytes."""

from __future__ import annotations

import datetime as dt
import functools

from integrations.sandbox.amazon_sales import simulate_amazon
from integrations.sandbox.banking import simulate_bank
from integrations.sandbox.crm import simulate_crm
from integrations.sandbox.direct import simulate_direct
from integrations.sandbox.events import Business
from integrations.sandbox.paypal_sales import simulate_paypal
from integrations.sandbox.shop import simulate_shop

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
    paypal = simulate_paypal(seed, start=start, horizon=horizon, count=max(40, count // 6))
    amazon = simulate_amazon(seed, end=end, horizon=horizon, count=max(48, count // 3))
    payouts = shop.payouts + direct.payouts + paypal.payouts + amazon.payouts
    accounts, lines = simulate_bank(seed, start=start, horizon=horizon, orders=shop.orders, payouts=payouts)
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
        paypal=paypal,
        amazon=amazon,
        crm=simulate_crm(
            seed, start=start, horizon=horizon, customers=shop.customers, clients=direct.clients
        ),
    )
