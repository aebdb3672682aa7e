"""Statements, CSV words: what banks call their columns, flags, months and totals, in many languages."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "Ø": "o", "ł": "l", "Ł": "l", "æ": "ae", "đ": "d", "ı": "i"})


@lru_cache(maxsize=16384)
def plain(text: str) -> str:
    """Lower case, no accents, punctuation to blanks: the form in which words are compared."""
    folded = unicodedata.normalize("NFKD", text.translate(_LETTERS)).casefold()
    bare = "".join(character for character in folded if not unicodedata.combining(character))
    return " ".join(re.sub(r"[\W_]+", " ", bare.replace("'", "")).split())


def _months(*rows: str) -> dict[str, int]:
    return {
        plain(name): number
        for row in rows
        for number, names in enumerate(row.split(), 1)
        for name in names.split("|")
    }


MONTHS = _months(
    "january|jan february|feb march|mar april|apr may june|jun july|jul august|aug september|sep|"
    "sept october|oct november|nov december|dec",
    "januar|jan|jaen|janner februar|feb marz|mrz|maerz|mar april|apr mai juni|jun juli|jul august|"
    "aug september|sep|sept oktober|okt november|nov dezember|dez",
    "janvier|janv fevrier|fevr|fev mars avril|avr mai juin juillet|juil aout septembre|sept octobre|"
    "oct novembre|nov decembre|dec",
    "enero|ene febrero|feb marzo|mar abril|abr mayo|may junio|jun julio|jul agosto|ago septiembre|sep|"
    "setiembre octubre|oct noviembre|nov diciembre|dic",
    "gennaio|gen febbraio|feb marzo|mar aprile|apr maggio|mag giugno|giu luglio|lug agosto|ago settembre|"
    "set ottobre|ott novembre|nov dicembre|dic",
    "januari|jan februari|feb maart|mrt april|apr mei juni|jun juli|jul augustus|aug september|"
    "sep oktober|okt november|nov december|dec",
    "janeiro|jan fevereiro|fev marco|mar abril|abr maio|mai junho|jun julho|jul agosto|ago setembro|"
    "set outubro|out novembro|nov dezembro|dez",
    "stycznia|sty lutego|lut marca|mar kwietnia|kwi maja|maj czerwca|cze lipca|lip sierpnia|sie wrzesnia|"
    "wrz pazdziernika|paz listopada|lis grudnia|gru",
    "ledna|leden unora|unor brezna|brezen dubna|duben kvetna|kveten cervna|cerven cervence|"
    "cervenec srpna|srpen zari rijna|rijen listopadu prosince|prosinec",
    "januar|jan februar|feb marts|mar april|apr maj juni|jun juli|jul august|aug september|sep oktober|"
    "okt november|nov december|dec",
    "januari|jan februari|feb mars|mar april|apr maj juni|jun juli|jul augusti|aug september|sep oktober|"
    "okt november|nov december|dec",
    "ocak|oca subat|sub mart|mar nisan|nis mayis|may haziran|haz temmuz|tem agustos|agu eylul|eyl ekim|"
    "eki kasim|kas aralik|ara",
    "tammikuu helmikuu maaliskuu huhtikuu toukokuu kesakuu heinakuu elokuu syyskuu lokakuu marraskuu "
    "joulukuu",
    "январь|января февраль|февраля март|марта апрель|апреля май|мая июнь|июня июль|июля август|"
    "августа сентябрь|сентября октябрь|октября ноябрь|ноября декабрь|декабря",
)


def _names(text: str) -> tuple[str, ...]:
    return tuple(plain(name) for name in text.split("|"))


# Per role, the best name first. A header equal to a name beats one that merely contains it.
ROLES: dict[str, tuple[str, ...]] = {
    "date": _names(
        "buchungstag|buchungsdatum|buchung|booked at|booking date|date booked|posting date|posted date|"
        "post date|date posted|posted|"
        "transaction posted|date comptable|date de comptabilisation|dateop|date operation|"
        "date de l'operation|fecha contable|"
        "fecha operacion|fecha de operacion|f contable|data contabile|data registrazione|data operazione|"
        "boekingsdatum|boekdatum|data ksiegowania|data operacji|data transakcji|datum zauctovani|"
        "datum provedeni|"
        "date processed|completed date|date completed|bokforingsdag|bokforingsdatum|bokfort dato|bogfort|"
        "bogforingsdato|"
        "kirjauspaiva|konyveles datuma|konyvelesi datum|data lancamento|data do lancamento|data mov|"
        "data movimento|"
        "date|datum|fecha|data|dato|pvm|paivamaara|tarih|islem tarihi|дата|日付|取引日|お取引日|ご利用日|"
        "年月日|交易日期|날짜|"
        "transaction date|txn date|tran date|trans date|transaktionsdatum|transaktionsdag|reskontradatum|"
        "fecha movimiento|"
        "tranzakcio datuma|tranzakcio ideje|data tranzactiei|datum verrichting|datum transactie|"
        "umsatzdatum|umsatztag|"
        "belegdatum|abschlussdatum|created|created on|date created|created utc|datetime|date time|"
        "finished on|time"
    ),
    "value_date": _names(
        "value date|valuta|valutadatum|valuta datum|wertstellung|wertstellungstag|wert|date de valeur|"
        "date valeur|"
        "fecha valor|f valor|data valuta|data valore|rentedatum|erteknap|data waluty|data valor|"
        "valor|datum valuty|"
        "arvopaiva|rentedato|valutadag|execution date|effective date|started date|date verrekening|start date"
    ),
    "debit": _names(
        "debit|debits|debit amount|withdrawal|withdrawals|withdrawal amount|withdrawal amt|paid out|"
        "money out|"
        "outflow|spent|soll|lastschrift|belastung|belastungen|lastschriften|ausgang|debet|debito|debitos|"
        "debe|cargo|cargos|"
        "uscite|uscita|dare|addebiti|addebito|af|uit|bij af|obciazenia|obciazenie|wydatki|ut|"
        "ut fra konto|ud|saida|saidas|"
        "retiros|retiro|depenses|depense|out|出金|出金金額|お支払金額|支払い金額|支払金額|お引出し|支出|"
        "引出|支払|支出金额|borc|terheles|"
        "paiements|"
        "payments|payment|amount debit|dr|dr amount|gasto|gastos|egreso|egresos"
    ),
    "credit": _names(
        "credit|credits|credit amount|deposit|deposits|deposit amount|deposit amt|paid in|money in|"
        "inflow|received|"
        "haben|gutschrift|gutschriften|eingang|kredit|credito|creditos|haber|abono|abonos|entrate|"
        "entrata|avere|accrediti|"
        "accredito|uznania|uznanie|wplywy|inn|inn pa konto|ind|entrada|entradas|depositos|deposito|"
        "recettes|recette|in|"
        "入金|入金金額|お預り金額|お預け入れ|預入|預け入れ|預かり金額|預り金額|預り|収入|收入|收入金额|"
        "alacak|jovairas|receipts|receipt|"
        "amount credit|cr|"
        "cr amount|ingreso|ingresos"
    ),
    "amount": _names(
        "amount|transaction amount|betrag|umsatz|umsatzbetrag|montant|importe|importo|bedrag|kwota|"
        "kwota operacji|"
        "kwota transakcji|castka|zauctovana castka|objem|belopp|belob|beloep|belop|maara|summa|osszeg|"
        "tranzakcio osszege|"
        "valor|valore|montante|quantia|tutar|islem tutari|сумма|金額|取引金額|お取引金額|ご利用金額|金额|"
        "交易金额|금액|"
        "net|netto|net amount|suma|iznos|amount in account currency|billing amount|debit credit|gross|"
        "brutto|gross amount|total|value|"
        "gutschrift lastschrift|soll haben|betrag in eur|bedrag in eur|monto|sum|withdrawals deposits"
    ),
    "flag": _names(
        "debit credit|debit kredit|credit debit|soll haben|s h|af bij|dc|d c|cd|c d|drcr|dr cr|cr dr|d k|"
        "k d|debit or credit|"
        "credit or debit|credit debit indicator|transaction type|type|creditdebit|sens|signe|dare avere|"
        "debe haber|"
        "debet credit|direction|richtung|in out|+|bevetel kiadas|balance impact|dbcr|kreditdebet|"
        "entrada saida|natureza|"
        "indicator|smer|typ"
    ),
    "balance": _names(
        "balance|running balance|saldo|kontostand|solde|running bal|balance after|balance after transaction|"
        "account balance|closing balance|ending balance|saldo na trn|saldo na mutatie|saldo po operacji|"
        "saldo po transakcji|"
        "zustatek|zustatek po pohybu|egyenleg|konyvelt egyenleg|bakiye|остаток|残高|差引残高|余额|"
        "账户余额|잔액|"
        "saldo contabile|saldo disponible|saldo final|bokfort saldo|saldot|ledger balance|sold|stanje|"
        "available balance|balance amt|kontosaldo"
    ),
    "currency": _names(
        "currency|wahrung|waehrung|buchungswahrung|kontowahrung|account currency|transaction currency|"
        "devise|monnaie|monn|moneda|divisa|valuta|"
        "munt|waluta|mena|mena uctu|valuutta|devizanem|tranzakcio devizaneme|moeda|para birimi|doviz|"
        "валюта|通貨|币种|통화|"
        "ccy|cur|curr|currency code|valyuta"
    ),
    "counterparty": _names(
        "counterparty|counterparty name|payee|name|merchant|merchant name|beneficiary|beneficiary name|"
        "partner name|"
        "beguenstigter zahlungspflichtiger|begunstigter zahlungspflichtiger|auftraggeber "
        "empfanger|auftraggeber begunstigter|"
        "auftraggeber beguenstigter|empfanger auftraggeber|name zahlungsbeteiligter|zahlungsempfanger|"
        "empfanger|auftraggeber|"
        "zahlungspflichtige r|zahlungsempfanger in|zahlungspflichtige|empfangername|auftraggebername|"
        "naam tegenpartij|"
        "naam|naam tegenrekening|tegenpartij|nazwa kontrahenta|kontrahent|nadawca odbiorca|nadawca|"
        "odbiorca|nazev protiuctu|"
        "counteraccount name|nazev uctu protistrany|partner neve|partner|beneficiario|ordenante|"
        "controparte|destinataire|"
        "contrepartie|nom de la contrepartie|motpart|mottagare|mottaker|modtager|saaja maksaja|saaja|"
        "maksaja|avsandare|"
        "favorecido|favorecido pagador|odbiorca nadawca|nom|nome|target name|source name|recipient|sender|to|"
        "haendler|handler|handelaar|firma|card acceptor|お取引先|取引先|对方户名|相手先"
    ),
    "reference": _names(
        "reference|reference number|reference no|ref|ref no|ref number|chq ref no|chq ref number|"
        "bank reference|customer reference|cust ref|payment reference|"
        "check number|check no|check or slip #|check|cheque number|cheque no|cheque|chq no|chqno|serial|"
        "kundenreferenz|"
        "kundenreferenz end to end|referenz|zahlungsreferenz|sepa reference|sepa referenz|"
        "betalingskenmerk|kenmerk|transactiereferentie|"
        "gestructureerde mededeling|communication structuree|referenceno|referencia|riferimento|"
        "numero de referencia|"
        "variable symbol|variable symbol 1|vs|variabilni symbol|viite|viitenumero|kid|ocr|"
        "mandatsreferenz|numero do documento|numero documento|n documento|"
        "documento|docto|docto.|documentno|document number|invoice number|invoice no|belegnummer|num|"
        "number|nummer|"
        "numero de cheque|no cheque|end to end referenz|eref|tranid|instrument id|umr"
    ),
    "provider_id": _names(
        "transaction id|transactionid|fitid|unique id|id transakce|id operace|id pohybu|"
        "transaction reference number|"
        "transaction reference|n de transaction|no de transaction|transaktions nr|transaktionsnr|"
        "transaktionsnummer|transaktions id|"
        "buchungsreferenz|id transakcji|numer transakcji|nr transakcji|transaction number|id transazione|"
        "transactionno|"
        "archivierungskennung|arkistointitunnus|archive id|transaktionscode|volgnr|id|uuid|"
        "transferwise id|record id|"
        "entry id|txn id|tran id|referenznummer|identificador|megbizas azonosito|tranzakcio azonosito|"
        "reference id|balance transaction id"
    ),
    "description": _names(
        "description|descriptions|transaction description|details|transaction details|narrative|"
        "narration|particulars|"
        "memo|verwendungszweck|vwz|buchungstext|umsatztext|buchungsdetails|buchungsinformation|text|"
        "label|libelle|libelle operation|libelle simplifie|intitule|motif|"
        "communication|communications|concepto|descripcion|descrizione|descrizione operazione|causale|"
        "dettagli|omschrijving|mededelingen|mededeling|"
        "vrije mededeling|communication libre|tytul|tytulem|opis|opis operacji|opis transakcji|szczegoly|"
        "zprava|zprava pro prijemce|message for me|message for payee|poznamka|popis|"
        "kozlemeny|megjegyzes|leiras|historico|lancamento|descricao|mensaje|titulo|selite|viesti|"
        "tapahtuma|transaktion|transaktionstext|rubrik|tekst|forklaring|"
        "meddelande|specifikation|aciklama|islem|назначение платежа|описание|摘要|摘要内容|お取引内容|"
        "取引内容|内容|ご利用内容|"
        "ご利用店名|適用|"
        "交易摘要|用途|적요|내용|desc|beschreibung|subject|comments|extended text|message|zusatzinfo|reason|"
        "avisierungstext|buchungsangaben|"
        "original description|bank desc|notes|note|purpose|summary|title|transaction|items|"
        "statement descriptor|observacoes|detail|movimiento|concepto ampliado|observaciones|"
        "text 1|text 2|detaljer|melding|toelichting|zahlungsgrund|remittance information|payment details|"
        "komunikat"
    ),
    "kind": _names(
        "transaction type|type|art|umsatzart|transaktionsart|vorgang|typ transakce|transaktionstyp|"
        "typ operacji|typ transakcji|rodzaj transakcji|"
        "code|mutatiesoort|soort|tranzakcio tipusa|categorie|category|kategorie|typ|tipo|posting text|"
        "trans type|movement type|type d operation|"
        "kategorie transakce|class|tipo movimiento|buchungsart|transaction|tapahtumalaji|laji"
    ),
    "status": _names(
        "status|state|pending|statut|estado|stato|stav|tila|umsatz status|info|transaction status|durum|"
        "status transakcji|buchungsstatus"
    ),
    "account": _names(
        "auftragskonto|iban auftragskonto|account number|account no|account|iban|kontonummer|"
        "auftragskonto|iban auftragskonto|kontonummer iban|konto|rekening|rekeningnummer|"
        "iban bban|compte|numero de compte|no compte|cuenta|conto|rachunek|numer rachunku|nr rachunku|"
        "cislo uctu|szamlaszam|ucet|tili|"
        "kontonr|conta|account id|produit|produkt|account iban|source account|iban rekening|口座番号|"
        "bank account details|account name"
    ),
}

# Columns that look like ours and are not: the counterparty's account, the amount abroad, fees.
FOREIGN = re.compile(
    r"\b(original|orig|foreign|fremdwahrung|ursprung\w*|puvodni|local|oorspr|origine|converted|exchange|"
    r"kurs|koers|rate|"
    r"fee|fees|gebuhr|entgelt|poplatek|kosten|tax|refund\w*|shipping|commission|converted|transfer amount|"
    r"unit|quantity|menge|"
    r"tegenrekening|protiuctu|gegenkonto|counter account|partner|tegenpartij|empfanger|auftraggeber|"
    r"beneficiary|"
    r"card|bic|blz|swift|hold|limit|disputed|dispute|target|recipient|wechselkurs|category|compensation)\b"
)

OUT = frozenset(
    _names(
        "d|dr|db|dbt|debit|debits|dbit|deb|s|soll|af|debet|debe|debito|o|out|outflow|withdrawal|"
        "lastschrift|belastung|cargo|dare|"
        "uscita|obciazenie|saida|expense|paid out|出金|支出|kiadas|terheles|check|cheque|atm|purchase|sale|"
        "fee|money out|"
        "ausgabe|uit|ud|gasto|egreso|payment out|支払い|支払|debit transfer|ausgang|借"
    )
) | {"-"}
IN = frozenset(
    _names(
        "c|cr|crt|credit|credits|crdt|h|haben|gutschrift|bij|kredit|k|i|in|inflow|deposit|abono|avere|"
        "haber|entrata|uznanie|"
        "entrada|e|credito|income|入金|預り|収入|收入|bevetel|jovairas|money in|einnahme|ind|ingreso|paid in|"
        "credit transfer|eingang|"
        "refund|貸"
    )
) | {"+"}

PENDING = frozenset(
    _names(
        "pending|offen|vorgemerkt|umsatz vorgemerkt|processing|authorized|authorised|in bearbeitung|"
        "en attente|pendiente|pendente|reserved|ausstehend|nicht gebucht|unposted|not posted|on hold|"
        "a venir|non comptabilise|in sospeso|openstaand|"
        "reserviert|autorizzato|contabilizzazione in corso|w trakcie|oczekujaca|blokada|gereserveerd|"
        "in behandeling|ej bokfort|reserverad|varaus|true"
    )
)
_OPENING = _names(
    "opening balance|beginning balance|starting balance|balance brought forward|brought forward|"
    "balance forward|previous balance|balance at start|"
    "anfangssaldo|anfangsbestand|alter kontostand|alter saldo|saldovortrag|kontostand am anfang|"
    "saldo anterior|saldo inicial|saldo iniziale|solde initial|solde precedent|"
    "ancien solde|beginsaldo|saldo poczatkowe|pocatecni zustatek|nyito egyenleg|ingaende saldo|"
    "ingaende balans|inngaende saldo|前残高|繰越|前月繰越"
)
_CLOSING = _names(
    "closing balance|ending balance|balance carried forward|carried forward|new balance|current balance|"
    "ledger balance|balance at end|balance as of|end balance|"
    "endsaldo|endbestand|neuer kontostand|neuer saldo|kontostand|saldo final|saldo finale|solde final|"
    "nouveau solde|solde au|eindsaldo|saldo koncowe|konecny zustatek|"
    "zaro egyenleg|utgaende saldo|utgaende balans|s a l d o|saldo do dia|saldo atual|saldo|"
    "available balance|saldo contabile"
)
_BARE = _names("total|sum|summa|suma|totale|summe")
_TOTALS = _names(
    "totals|gesamt|gesamtbetrag|zwischensumme|turnover|umsatze gesamt|totaal|razem|celkem|osszesen|"
    "totali|totaux|grand total|subtotal|"
    "sub total|total credits|total debits|sum in|sum out|合計|合计|yhteensa|end of report|end of file|"
    "saldo contabile|totale entrate|totale uscite"
)


_TAILS = (
    *("as of", "on", "am", "at", "per", "vom", "al", "au", "op", "le", "of period", "in", "eur", "credits"),
    *("debits", "zum", "of the period"),
)
_LABELS = {
    f"{phrase} {tail}".strip(): label
    for label, phrases in (("sum", _TOTALS), ("total", _BARE), ("closing", _CLOSING), ("opening", _OPENING))
    for phrase in phrases
    for tail in ("", *_TAILS)
}


@lru_cache(maxsize=16384)
def balance_label(text: str) -> str:
    """'opening', 'closing' or 'sum' if this text labels such a row rather than a movement, else ''.

    'total' for the bare word, which is also a merchant's name.
    """
    return _LABELS.get(re.sub(r"\d.*$", "", plain(text)).strip(), "")


@lru_cache(maxsize=16384)
def role_score(role: str, header: str) -> int:
    """How well a header names a role: up to 2000 where equal, up to 1000 where contained, 0 not."""
    name = plain(header)
    best = 0
    for rank, phrase in enumerate(ROLES[role]):
        if name == phrase:
            return 2000 - rank
        if not best and _contains(name, phrase):
            best = 1000 - rank
    return best


def _contains(name: str, phrase: str) -> bool:
    if not phrase.isascii():
        return phrase in name
    if len(phrase) < 3 or phrase in _TOO_COMMON:
        return False
    return f" {phrase} " in f" {name} " or (len(phrase) > 4 and name.startswith(phrase))


_TOO_COMMON = frozenset(
    (
        "time",
        "type",
        "sum",
        "net",
        "num",
        "out",
        "ref",
        "wert",
        "data",
        "name",
        "value",
        "info",
        "code",
        "art",
        "account",
        "card",
        "check",
        "total",
        "posted",
        "payment",
        "note",
        "state",
    )
)
