"""What words mean to a bookkeeper: kinds of transaction, legal forms, abbreviations, months, fillers."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A shared group on both sides speaks for a match. Languages as banks print them.
KIND_GROUPS: dict[str, str] = {
    "cheque": "check chk cheque chq cheques checks scheck assegno",
    "wire": "wire swift telegraphic",
    "returned": "nsf returned return bounced chargeback dispute ruecklastschrift rejet impaye",
    "payroll": "payroll salary salaries wages wage gehalt lohn salaire nomina stipendio adp gusto paychex",
    "refund": "refund refunded refunds credit-note erstattung remboursement reembolso rimborso",
    "fee": "fee fees charge charges commission gebuehr entgelt frais comision commissione",
    "interest": "interest zinsen interets intereses interessi",
    "tax": "tax taxes vat irs hmrc steuer finanzamt impot tva iva",
    "rent": "rent lease miete loyer alquiler affitto",
    "payout": "payout payouts settlement stripe paypal shopify adyen square auszahlung",
    "card": "card visa mastercard amex pos karte carte tarjeta carta",
    "deposit": "deposit deposits einzahlung versement deposito lodgement",
    "reversal": "reversal reversed reverse void voided cancelled canceled storno annulation",
    "direct debit": "debit lastschrift prelevement domiciliacion addebito",
    "transfer": "transfer trf ueberweisung virement transferencia bonifico",
}

FILLERS = _words(
    """ach sepa trf in out of from to the and for by via ref reference no nr number num id inv invoice
    bill payment payments pmt paid pay purchase online web e auto autopay eft bacs fps fpo tfr dd so
    giro bgc mobile us usa www com net org ar ap cc je dep wd withdrawal received receipt txn trans
    transaction bank account acct customer vendor supplier rechnung facture factura fattura zahlung
    paiement pago pagamento gutschrift basislastschrift verwendungszweck eref mref kref svwz
    recurring monthly weekly january february march april may june july august september october
    november december jan feb mar apr jun jul aug sep sept oct nov dec januar februar maerz mai juni
    juli oktober dezember janvier fevrier mars avril juin juillet aout septembre octobre novembre
    decembre enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre
    diciembre"""
)

LEGAL_FORMS = _words(
    """inc incorporated llc llp lp ltd limited co corp corporation company plc gmbh ag kg ohg ug mbh sa
    sas sarl srl spa bv nv ab oy oyj as aps pty pte sl lda kft sro sp zoo ev eg se"""
)

_SHORT_FORMS = {
    "international": "intl int",
    "national": "natl",
    "management": "mgmt mgt",
    "services": "svc svcs serv",
    "manufacturing": "mfg mfr",
    "distribution": "dist distr",
    "associates": "assoc assocs",
    "brothers": "bros",
    "group": "grp",
    "technology": "tech",
    "technologies": "techs",
    "industries": "ind inds",
    "holdings": "hldg hldgs",
    "systems": "sys",
    "solutions": "sol solns",
    "enterprises": "ent entpr",
    "development": "dev",
    "engineering": "eng engr",
    "center": "ctr",
    "department": "dept",
    "university": "univ",
    "government": "govt",
    "american": "amer",
    "electric": "elec",
    "equipment": "equip",
    "construction": "constr const",
    "consulting": "consult cons",
    "professional": "prof",
    "partners": "ptnrs",
    "financial": "fin",
    "insurance": "ins",
    "laboratories": "lab labs",
    "medical": "med",
    "pharmaceuticals": "pharm",
    "products": "prod prods",
    "properties": "prop props",
    "restaurant": "rest",
    "supply": "sup",
    "transport": "trans transp",
    "warehouse": "whse",
    "saint": "st",
    "market": "mkt",
    "marketing": "mktg",
    "marketplace": "mktp",
    "amazon": "amzn",
    "microsoft": "msft",
}
ABBREVIATIONS = {short: full for full, forms in _SHORT_FORMS.items() for short in forms.split()}

MONTHS = frozenset(word for word in FILLERS if len(word) >= 3) & _words(
    """january february march april may june july august september october november december jan feb
    mar apr jun jul aug sep sept oct nov dec januar februar maerz mai juni juli oktober dezember
    janvier fevrier mars avril juin juillet aout septembre octobre novembre decembre"""
)
