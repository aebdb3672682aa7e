"""What words mean to a bookkeeper: kinds of transaction, legal forms, abbreviations, months, fillers."""

from __future__ import annotations

# Kind words: a shared group on both sides speaks for a match. Languages as banks print them.
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

FILLERS = frozenset(
    """ach sepa trf in out of from to the and for by via ref reference no nr number num id inv invoice bill
    payment payments pmt paid pay purchase online web e auto autopay eft bacs fps fpo tfr dd so giro bgc mobile
    us usa www com net org ar ap cc je dep wd withdrawal received receipt txn trans transaction bank account acct
    customer vendor supplier rechnung facture factura fattura zahlung paiement pago pagamento gutschrift basislastschrift
    verwendungszweck eref mref kref svwz recurring monthly weekly
    january february march april may june july august september october november december
    jan feb mar apr jun jul aug sep sept oct nov dec januar februar maerz mai juni juli oktober dezember
    janvier fevrier mars avril juin juillet aout septembre octobre novembre decembre
    enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre""".split()
)

LEGAL_FORMS = frozenset(
    """inc incorporated llc llp lp ltd limited co corp corporation company plc gmbh ag kg ohg ug mbh sa sas sarl
    srl spa bv nv ab oy oyj as aps pty pte sl lda kft sro sp zoo ev eg se""".split()
)

ABBREVIATIONS = {
    "intl": "international", "int": "international", "natl": "national", "mgmt": "management", "mgt": "management",
    "svc": "services", "svcs": "services", "serv": "services", "mfg": "manufacturing", "mfr": "manufacturing",
    "dist": "distribution", "distr": "distribution", "assoc": "associates", "assocs": "associates",
    "bros": "brothers", "grp": "group", "tech": "technology", "techs": "technologies", "ind": "industries",
    "inds": "industries", "hldg": "holdings", "hldgs": "holdings", "sys": "systems", "sol": "solutions",
    "solns": "solutions", "ent": "enterprises", "entpr": "enterprises", "dev": "development", "eng": "engineering",
    "engr": "engineering", "ctr": "center", "dept": "department", "univ": "university", "govt": "government",
    "amer": "american", "elec": "electric", "equip": "equipment", "constr": "construction", "const": "construction",
    "consult": "consulting", "cons": "consulting", "prof": "professional", "ptnrs": "partners", "fin": "financial",
    "ins": "insurance", "lab": "laboratories", "labs": "laboratories", "med": "medical", "pharm": "pharmaceuticals",
    "prod": "products", "prods": "products", "prop": "properties", "props": "properties", "rest": "restaurant",
    "sup": "supply", "trans": "transport", "transp": "transport", "whse": "warehouse", "st": "saint",
    "mkt": "market", "mktg": "marketing", "mktp": "marketplace", "amzn": "amazon", "msft": "microsoft",
}  # fmt: skip

MONTHS = frozenset(word for word in FILLERS if len(word) >= 3) & frozenset(
    """january february march april may june july august september october november december jan feb mar apr jun
    jul aug sep sept oct nov dec januar februar maerz mai juni juli oktober dezember janvier fevrier mars avril
    juin juillet aout septembre octobre novembre decembre""".split()
)
