"""Money: integer minor units and the only place that knows how many decimals a currency has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache

# ISO 4217, list one: every active code whose exponent is not 2 (funds and metals left out).
_EXPONENTS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
_TWO = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD "
    "CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS "
    "GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL "
    "MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK "
    "PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS "
    "TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
CURRENCIES: dict[str, int] = {**dict.fromkeys(_TWO.split(), 2), **_EXPONENTS}


class UnknownCurrency(ValueError):
    """A code that ISO 4217 does not list."""


class Inexact(ValueError):
    """The amount has more decimals than its currency."""


def exponent(currency: str) -> int:
    """Decimals of a currency: USD 2, JPY 0, KWD 3. Raises UnknownCurrency."""
    try:
        return CURRENCIES[currency]
    except KeyError:
        raise UnknownCurrency(f"'{currency}' is not a currency code we know") from None


@lru_cache(maxsize=256)
def _factor(currency: str) -> Decimal:
    return Decimal(10) ** exponent(currency)


def to_minor(amount: Decimal, currency: str) -> int:
    """Decimal in major units -> integer minor units; raises Inexact rather than round."""
    scaled = amount * _factor(currency)
    try:
        minor = int(scaled)
    except (InvalidOperation, OverflowError, ValueError):
        raise Inexact(f"{amount} is not an amount") from None
    if minor != scaled:
        raise Inexact(f"{amount} has more decimals than {currency} allows ({exponent(currency)})")
    return minor


def from_minor(amount: int, currency: str) -> Decimal:
    """Integer minor units -> exact Decimal in major units, with the currency's decimals."""
    return Decimal(amount).scaleb(-exponent(currency))


def convert(amount: int, source: str, target: str, rate: Decimal) -> int:
    """Minor units of `source` -> minor units of `target` at `rate` (target per source), half even."""
    value = Decimal(amount) * rate * _factor(target) / _factor(source)
    return int(value.to_integral_value(ROUND_HALF_EVEN))


def rounded_together(amounts: Iterable[Decimal], currency: str) -> list[Decimal]:
    """Each amount in the currency's decimals, so that all of them make the rounded sum of the exact ones,
    however many they are (halves away from zero; two decimals for a currency we do not know)."""
    unit, exact, told = Decimal(1).scaleb(-CURRENCIES.get(currency, 2)), Decimal(0), Decimal(0)
    found: list[Decimal] = []
    for amount in amounts:
        exact += amount
        whole = exact.quantize(unit, ROUND_HALF_UP)
        found.append(whole - told)
        told = whole
    return found


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` in proportion to `weights`, by largest remainder; parts sum to total exactly."""
    whole = sum(weights)
    if not weights:
        return []
    if whole == 0:
        return [total] + [0] * (len(weights) - 1)
    shares = [total * weight // whole for weight in weights]
    remainders = [total * weight - share * whole for weight, share in zip(weights, shares, strict=True)]
    order = sorted(range(len(weights)), key=lambda i: (-abs(remainders[i]), i))
    for i in order[: total - sum(shares)]:
        shares[i] += 1
    return shares
