"""Values of Shopify's API that many objects share: ids, instants, money, taxes, products, addresses."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

from integrations.sandbox.events import Customer, Product, Tax
from integrations.sandbox.graphql_run import Record, Shared

SHOP_DOMAIN = "harbor-coffee.myshopify.com"


def gid(kind: str, number: int | str) -> str:
    return f"gid://shopify/{kind}/{number}"


@lru_cache(maxsize=50_000)
def iso(at: int) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def decimal(cents: int) -> str:
    """12.5, 3.0: at least one decimal and no needless zero, as this API writes amounts."""
    sign, (whole, part) = "-" if cents < 0 else "", divmod(abs(cents), 100)
    text = f"{part:02d}"
    return f"{sign}{whole}.{text[0] if text[1] == '0' else text}"


@lru_cache(maxsize=200_000)
def money(cents: int) -> Shared:
    return Shared(__typename="MoneyV2", amount=decimal(cents), currencyCode="USD")


@lru_cache(maxsize=200_000)
def bag(cents: int) -> Shared:
    return Shared(__typename="MoneyBag", shopMoney=money(cents), presentmentMoney=money(cents))


def product_record(product: Product) -> Record:
    return {
        "__typename": "Product",
        "id": gid("Product", product.id),
        "legacyResourceId": str(product.id),
        "title": product.title,
        "handle": product.sku.lower(),
        "vendor": "Harbor Coffee Co.",
        "productType": "Gift card" if product.gift_card else "Coffee",
        "isGiftCard": product.gift_card,
        "status": "ACTIVE",
    }


def variant_record(product: Product) -> Record:
    return {
        "__typename": "ProductVariant",
        "id": gid("ProductVariant", product.id + 500),
        "legacyResourceId": str(product.id + 500),
        "title": "Default Title",
        "displayName": f"{product.title} - Default Title",
        "sku": product.sku,
        "barcode": None,
        "price": f"{product.price // 100}.{product.price % 100:02d}",
        "taxable": not product.gift_card,
    }


@lru_cache(maxsize=50_000)
def tax_amount(title: str, rate: int, amount: int) -> Shared:
    return Shared(
        __typename="TaxLine",
        title=title,
        rate=rate / 1_000_000,
        ratePercentage=rate / 10_000,
        priceSet=bag(amount),
        channelLiable=False,
        source="Shopify",
    )


def tax_line(tax: Tax) -> Shared:
    return tax_amount(tax.title, tax.rate, tax.amount)


def address(person: Customer, number: int) -> Record:
    return {
        "__typename": "MailingAddress",
        "id": gid("MailingAddress", f"{number}?model_name=Address"),
        "address1": person.street,
        "address2": None,
        "city": person.city,
        "company": person.company or None,
        "country": "United States",
        "countryCodeV2": "US",
        "firstName": person.first,
        "lastName": person.last,
        "name": person.name,
        "phone": person.phone,
        "province": person.province_name,
        "provinceCode": person.province,
        "zip": person.postcode,
        "latitude": None,
        "longitude": None,
        "coordinatesValidated": False,
        "formattedArea": f"{person.city} {person.province}, United States",
        "timeZone": "America/New_York",
        "formatted": lambda _: [
            person.street,
            f"{person.city} {person.province} {person.postcode}",
            "United States",
        ],
    }
