"""Workloads of other countries' banks: SEPA remittance text, card text, scripts other than Latin, no names.

Each style makes text in a way of its own; none shares words, formats or habits with `workloads`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from benchmarks.workloads import Workload

START = date(2024, 10, 1)
PERSONS = {
    "german": "Jürgen Müller|Käthe Größmann|Björn Weiß|Sören Jäger|Ursula Schäfer|Dörte Lüdtke|Heinz Vogt",
    "french": "Zoé Lefèvre|François Garçon|Amélie Côté|Hélène Dupré|Gérard Noël|Chloé Béranger",
    "spanish": "José Muñoz|Íñigo Peña|Begoña Ibáñez|Nuria Güell|Ramón Cañizares|Lucía Núñez",
    "dutch": "Joris van den Berg|Anneke de Vries|Sjoerd Dijkstra|Fenna Hoekstra|Bas IJzerman",
    "polish": "Łukasz Wiśniewski|Żaneta Dąbrowska|Michał Kaczyński|Grażyna Śliwa|Paweł Wójcik",
}
FIRMS = {
    "german": "Bäckerei {} GmbH & Co. KG|{} Maschinenbau AG|Autohaus {} e.K.|{} Gebäudereinigung UG",
    "french": "Boulangerie {} SARL|Établissements {} SAS|Transports {} SA|{} et Fils",
    "spanish": "Construcciones {} S.L.|Talleres {} S.A.|Hijos de {}|Distribuciones {} SLU",
    "dutch": "Bouwbedrijf {} B.V.|{} Bloemen VOF|Drukkerij {} N.V.|{} Transport BV",
    "polish": "Hurtownia {} Sp. z o.o.|{} Usługi S.A.|Zakład Stolarski {}|Piekarnia {}",
}
SURNAMES = (
    "Ahrens Brück Dörfler Eßer Fürst Gärtner Höfer Jansen Köhler Lühr Möller Nöth Ölschläger Pfeiffer Quast "
    "Rößler Süß Thäter Übler Voß Wüst Zöllner Moreau Béart Cazeneuve Delaunay Estève Faucher Garnier Hérault "
    "Iribarne Joubert Lacroix Marchand Ortega Pérez Quiroga Ruiz Sánchez Torres Urbina Vázquez Ybarra Zúñiga "
    "Bakker Cornelissen Dekker Evers Groot Hendriks Kuiper Mulder Nijhuis Postma Smit Visser Wolters Zwart "
    "Adamczyk Borkowski Czarnecki Dudek Górski Jabłoński Król Lis Mazur Nowak Ostrowski Pawlak Rutkowski"
).split()
OTHER_SCRIPTS = (
    "株式会社山田製作所|田中商事株式会社|鈴木電機|有限会社佐藤工業|高橋建設株式会社|"
    "شركة النور للتجارة|مؤسسة الخليج|شركة الأمل للمقاولات|أحمد عبد الله|"
    "כהן ובניו בעמ|לוי שירותים|אברהם מזרחי|ООО Ромашка|ИП Кузнецов|ЗАО Северсталь|"
    "АО Уралмаш|Παπαδόπουλος ΑΕ|Γεωργίου και Υιοί|Νικολάου ΕΠΕ|삼성물산|현대건설 주식회사|김철수"
).split("|")
TRANSLITERATED = str.maketrans({
    "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "AE", "Ö": "OE", "Ü": "UE", "ł": "l", "Ł": "L",
})  # fmt: skip
STRIPPED = str.maketrans("äöüÄÖÜéèêëàâçîïôûñíóúáÍżźśćńłęąŁŻŚ", "aouAOUeeeeaaciiounioua" + "IzzscnleaLZS")


@dataclass(slots=True)
class Ground:
    """What a style works with: randomness, payers, the workload in the making."""

    rng: random.Random
    payers: list[str]
    days: int
    work: Workload = field(default_factory=Workload)
    number: int = 4000

    def day(self) -> date:
        return START + timedelta(days=self.rng.randrange(self.days))

    def amount(self) -> int:
        chance = self.rng.random()
        if chance < 0.25:
            return self.rng.choice((5000, 10000, 15000, 20000, 25000, 50000, 100000))
        return int(self.rng.lognormvariate(10, 1.2)) + 250

    def entry(self, day: date, amount: int, **texts: str) -> str:
        identity = f"buchung-{len(self.work.entries)}"
        self.work.entries.append({"id": identity, "date": day, "amount": amount, **texts})
        return identity

    def line(self, day: date, amount: int, entries: list[str], **texts: str) -> str:
        identity = f"{len(self.work.lines):08x}"
        self.work.lines.append({"id": identity, "date": day, "amount": amount, **texts})
        self.work.truth.update((identity, entry) for entry in entries)
        return identity

    def next_number(self) -> int:
        self.number += self.rng.randrange(1, 6)
        return self.number


Style = Callable[[Ground], None]


def _payers(rng: random.Random, land: str, count: int) -> list[str]:
    names = set(PERSONS[land].split("|"))
    while len(names) < count:
        names.add(rng.choice(FIRMS[land].split("|")).format(rng.choice(SURNAMES)))
        first = rng.choice(PERSONS[land].split("|")).split()[0]
        names.add(f"{first} {rng.choice(SURNAMES)}")
        if len(names) > 250:
            names.add(f"{first} {rng.choice(SURNAMES)}-{rng.choice(SURNAMES)}")
    return sorted(names)


def _as_bank(rng: random.Random, text: str) -> str:
    """How a core banking system prints letters it does not have."""
    way = rng.randrange(3)
    return (text, text.translate(TRANSLITERATED), text.translate(STRIPPED))[way].upper()


def _chunks(text: str, width: int, glue: str) -> str:
    return glue.join(text[i : i + width] for i in range(0, len(text), width))


def sepa(ground: Ground) -> None:
    """A SEPA transfer: tags, invoice by bare number and date, cut into chunks that are glued together."""
    rng = ground.rng
    payer, number, day = rng.choice(ground.payers), ground.next_number(), ground.day()
    count = rng.choices((1, 2, 3), (88, 8, 4))[0]
    entries, numbers, total = [], [], 0
    for _ in range(count):
        amount, dated = ground.amount(), day - timedelta(days=rng.randrange(20))
        entries.append(ground.entry(dated, amount, reference=f"RE{dated.year}/{number}", counterparty=payer))
        numbers.append((number, dated))
        total += amount
        number = ground.next_number()
    told = [f"Rechnung Nr. {number} vom {dated:%d.%m.}" for number, dated in numbers]
    text = rng.choice((
        f"SVWZ+{' '.join(told)} EREF+NOTPROVIDED MREF+M{rng.randrange(10**6)}",
        f"EREF+{rng.randrange(10**9)} SVWZ+{' u. '.join(str(n) for n, _ in numbers)} Danke",
        f"SVWZ+Re {numbers[0][0]} ABWA+{payer}", f"Kd.Nr. {rng.randrange(10**5)}", "",
    ))  # fmt: skip
    lag = timedelta(days=rng.choice((-3, -1, 0, 0, 1, 1, 2, 3, 5, 9, 14)))
    shown = _chunks(_as_bank(rng, text), rng.choice((27, 35)), rng.choice(("", " ")))
    iban = f"DE{rng.randrange(10**10, 10**11)}{rng.randrange(10**9, 10**10)}"
    if rng.random() < 0.5:
        ground.line(day + lag, total, entries, description=shown, counterparty=_as_bank(rng, payer)[:27])
    else:
        ground.line(day + lag, total, entries, description=f"{_as_bank(rng, payer)} {iban} {shown}"[:140])


def debit(ground: Ground) -> None:
    """Money out to a supplier; the ledger knows only the supplier's name."""
    rng = ground.rng
    payer, day, amount = rng.choice(ground.payers), ground.day(), -ground.amount()
    entry = ground.entry(day, amount, description=payer)
    text = (
        f"LASTSCHRIFT {_as_bank(rng, payer)} MREF+{rng.randrange(10**8)} CRED+DE98ZZZ{rng.randrange(10**10)}"
    )
    ground.line(day + timedelta(days=rng.randrange(4)), amount, [entry], description=text)


def card(ground: Ground) -> None:
    """Card text: shop, town, date and masked card in one; the ledger keeps a short memo."""
    rng = ground.rng
    shop = rng.choice(ground.payers)
    day, amount = ground.day(), -ground.amount()
    entry = ground.entry(day, amount, description=f"{rng.choice(('Exp', 'Receipt', 'Card'))} {shop}")
    shown = shop.upper().replace(" ", rng.choice((" ", "*", "")))[:18]
    text = (
        f"{day:%d%b} CRD {rng.randrange(1000, 9999)} {shown} {rng.choice(('LONDON', 'LEEDS', 'BRISTOL'))} GB"
    )
    ground.line(day + timedelta(days=rng.randrange(1, 5)), amount, [entry], description=text)


def bare(ground: Ground) -> None:
    """Nothing but a bare number on both sides, the same in no two rows; sometimes with zeros before it."""
    rng = ground.rng
    number, day, amount = ground.next_number() * 7 + 10**6, ground.day(), ground.amount()
    entry = ground.entry(day, amount, reference=str(number))
    shown = rng.choice((str(number), f"{number:012d}", f"*{number}*", ""))
    ground.line(day + timedelta(days=rng.randrange(6)), amount, [entry], reference=shown)


def script(ground: Ground) -> None:
    """Names in other scripts, in one column on either side, no reference."""
    rng = ground.rng
    payer, day, amount = rng.choice(OTHER_SCRIPTS), ground.day(), ground.amount()
    currency = rng.choice(("JPY", "ILS", "EUR"))
    entry = ground.entry(day, amount, counterparty=payer, currency=currency)
    column = rng.choice(("description", "counterparty"))
    ground.line(day + timedelta(days=rng.randrange(5)), amount, [entry], currency=currency, **{column: payer})


def month_end(ground: Ground) -> None:
    """A batch booked on the last day of the month, up to forty rows, named by a batch number in the text."""
    rng = ground.rng
    day = (ground.day().replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    number, total, entries = f"SB{ground.next_number():06d}", 0, []
    for _ in range(rng.randrange(15, 41)):
        amount = ground.amount()
        entries.append(ground.entry(day, amount, reference=number, counterparty=rng.choice(ground.payers)))
        total += amount
    text = rng.choice((f"SAMMLER {number}", f"SAMMELUEBERWEISUNG {number[2:]}", "SAMMLER"))
    ground.line(day + timedelta(days=rng.randrange(3)), total, entries, description=text)


def cheque(ground: Ground) -> None:
    rng = ground.rng
    number, day, amount = 100_000 + ground.next_number(), ground.day(), -ground.amount()
    payee = rng.choice(ground.payers)
    entry = ground.entry(day, amount, reference=str(number), description=f"Cheque {payee}")
    text = rng.choice((f"CHQ {number}", f"CHEQUE {number:08d}", f"{number}"))
    ground.line(day + timedelta(days=rng.randrange(3, 70)), amount, [entry], description=text)


def silent(ground: Ground) -> None:
    """No text at all: date and amount only, the books sometimes later than the bank."""
    rng = ground.rng
    day, amount = ground.day(), rng.choice((-1, 1)) * ground.amount()
    entry = ground.entry(day, amount)
    ground.line(day + timedelta(days=rng.choice((-2, -1, 0, 0, 1, 1, 2, 3))), amount, [entry])


def reckoned(ground: Ground) -> None:
    """Two transfers for three invoices, an invoice less a credit note, or a payment that came back."""
    rng = ground.rng
    payer, day = rng.choice(ground.payers), ground.day()
    number = ground.next_number()
    amounts = [ground.amount() + rng.randrange(1, 99) for _ in range(3)]
    if rng.random() < 0.5:
        entries = [
            ground.entry(day, amount, reference=f"F-{number}-{i}", counterparty=payer)
            for i, amount in enumerate(amounts)
        ]
        first = sum(amounts) * 2 // 5 + 13
        for i, part in enumerate((first, sum(amounts) - first)):
            ground.line(day + timedelta(days=2 + i), part, entries, description=_as_bank(rng, payer))
    else:
        entries = [
            ground.entry(day, sum(amounts), reference=f"F-{number}", counterparty=payer),
            ground.entry(day, -amounts[0], reference=f"A-{number}", counterparty=payer),
        ]
        ground.line(
            day + timedelta(days=3), amounts[1] + amounts[2], entries, description=_as_bank(rng, payer)
        )


def noise(ground: Ground) -> None:
    """Open on one side only."""
    rng = ground.rng
    payer = rng.choice(ground.payers)
    if rng.random() < 0.5:
        ground.entry(ground.day(), ground.amount(), reference=f"RE{ground.next_number()}", counterparty=payer)
    else:
        ground.line(ground.day(), -rng.randrange(100, 3000), [], description="ABSCHLUSS ENTGELT")


STYLES: dict[str, tuple[tuple[Style, ...], tuple[int, ...], str]] = {
    "german": ((sepa, debit, month_end, reckoned, noise), (60, 25, 1, 3, 15), "german"),
    "french": ((sepa, debit, cheque, reckoned, noise), (50, 20, 10, 3, 15), "french"),
    "spanish": ((sepa, debit, noise), (50, 30, 20), "spanish"),
    "dutch": ((sepa, debit, month_end, noise), (60, 30, 1, 20), "dutch"),
    "polish": ((sepa, debit, noise), (60, 30, 15), "polish"),
    "card": ((card, cheque, noise), (80, 10, 10), "dutch"),
    "bare": ((bare, noise), (85, 15), "german"),
    "script": ((script, noise), (85, 15), "german"),
    "silent": ((silent, noise), (90, 10), "german"),
}


def generate(style: str, size: int, *, seed: int = 1) -> Workload:
    """About `size` statement lines in a style; the same for the same seed."""
    rng = random.Random(f"{style}{seed}")
    makers, shares, land = STYLES[style]
    ground = Ground(rng, _payers(rng, land, max(size // 8, 30)), min(60 + size // 40, 365))
    while len(ground.work.lines) < size:
        rng.choices(makers, shares)[0](ground)
    rng.shuffle(ground.work.lines)
    rng.shuffle(ground.work.entries)
    return ground.work
