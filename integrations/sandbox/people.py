"""Who buys and what is sold in the simulated shop: names, places with their sales tax, products."""

from __future__ import annotations

import random
from typing import NamedTuple

from integrations.sandbox.events import Product


class Place(NamedTuple):
    """A delivery place; `taxes` as (title, parts per million), `shipping_taxed` by that state's rule."""

    province: str
    name: str
    city: str
    postcode: str
    weight: int
    taxes: tuple[tuple[str, int], ...]
    shipping_taxed: bool


PLACES = (
    Place("NY", "New York", "Brooklyn", "11201", 30, (("NY State Tax", 40_000), ("NYC Tax", 48_750)), True),
    Place("NY", "New York", "Albany", "12207", 8, (("NY State Tax", 40_000), ("Albany Tax", 40_000)), True),
    Place("NJ", "New Jersey", "Hoboken", "07030", 14, (("NJ State Tax", 66_250),), True),
    Place("PA", "Pennsylvania", "Philadelphia", "19103", 10, (("PA State Tax", 60_000),), True),
    Place("MA", "Massachusetts", "Boston", "02110", 9, (("MA State Tax", 62_500),), False),
    Place("CA", "California", "Oakland", "94607", 10, (("CA State Tax", 72_500),), False),
    Place("TX", "Texas", "Austin", "78701", 9, (("TX State Tax", 62_500), ("Austin Tax", 20_000)), True),
    Place("OR", "Oregon", "Portland", "97205", 6, (), False),
    Place("NH", "New Hampshire", "Nashua", "03060", 4, (), False),
)
PLACE_WEIGHTS = [place.weight for place in PLACES]

FIRST = [
    "Ann",
    "Maya",
    "Liam",
    "Noah",
    "Emma",
    "Olivia",
    "Zoë",
    "José",
    "Priya",
    "Chen",
    "Fatima",
    "Lars",
    "Aïcha",
    "Tomás",
    "Grace",
    "Henry",
    "Ivy",
    "Jonas",
    "Keiko",
    "Leo",
    "Mila",
    "Nadia",
    "Omar",
    "Paula",
    "Quinn",
    "Rosa",
    "Sam",
    "Tara",
    "Umar",
    "Vera",
    "Will",
    "Ximena",
    "Yusuf",
    "Zack",
]
LAST = [
    "Lee",
    "Okafor",
    "Smith",
    "García",
    "Nguyen",
    "Müller",
    "Patel",
    "Kim",
    "Rossi",
    "Cohen",
    "Dubois",
    "Haddad",
    "Ivanova",
    "Jones",
    "Kowalski",
    "Lopez",
    "Murphy",
    "Novak",
    "O'Brien",
    "Park",
    "Quist",
    "Reyes",
    "Silva",
    "Tanaka",
    "Usman",
    "Vargas",
    "Walsh",
    "Xu",
    "Young",
    "Zimmer",
]
COMPANIES = (
    "Dockside Diner LLC",
    "Blue Anchor Café",
    "Pier 9 Bakery",
    "Fulton Offices Inc.",
    "North Wharf Hotel",
    "St. Mark's School",
)
STREETS = ("Water St", "Front St", "Atlantic Ave", "Pearl St", "Main St", "Bridge St", "Hicks St")

PRODUCTS = (
    ("HC-ESP-250", "Harbor Espresso 250 g", 1450),
    ("HC-ESP-1K", "Harbor Espresso 1 kg", 4800),
    ("HC-DEC-250", "Decaf Lighthouse 250 g", 1525),
    ("HC-ETH-250", "Ethiopia Guji 250 g", 1895),
    ("HC-COL-250", "Colombia Huila 250 g", 1675),
    ("HC-FLT-100", "Paper filters, 100", 799),
    ("HC-MUG-01", "Enamel mug", 1800),
    ("HC-V60-02", "Pour-over cone", 2450),
    ("HC-GRN-01", "Hand grinder", 8900),
    ("HC-TIN-01", 'Coffee tin, "Harbor" edition', 1233),
)
GIFT_CARDS = (("HC-GIFT-25", "Gift card $25", 2500), ("HC-GIFT-50", "Gift card $50", 5000))


def products() -> tuple[Product, ...]:
    goods = [Product(7_001_000_001 + n, *item) for n, item in enumerate(PRODUCTS)]
    cards = [Product(7_001_000_101 + n, *item, gift_card=True) for n, item in enumerate(GIFT_CARDS)]
    return tuple(goods + cards)


def pick_place(rng: random.Random) -> Place:
    return rng.choices(PLACES, weights=PLACE_WEIGHTS)[0]
