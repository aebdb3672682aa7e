"""Small statements in the styles of many countries' banks: own texts, written from the layouts banks use."""

from __future__ import annotations

from typing import NamedTuple


class Style(NamedTuple):
    """`moves` are 'YYYY-MM-DD amount' in file order; `left_out` rows the reader must complain about."""

    name: str
    text: str
    moves: str
    currency: str = ""
    encoding: str = "utf-8"
    left_out: int = 0


STYLES = [
    Style(
        "de-sparkasse-camt",
        '"Auftragskonto";"Buchungstag";"Valutadatum";"Buchungstext";"Verwendungszweck";"Glaeubiger ID";"Mandatsreferenz";'
        '"Kundenreferenz (End-to-End)";"Sammlerreferenz";"Lastschrift Ursprungsbetrag";"Auslagenersatz Ruecklastschrift";'
        '"Beguenstigter/Zahlungspflichtiger";"Kontonummer/IBAN";"BIC (SWIFT-Code)";"Betrag";"Waehrung";"Info"\n'
        '"DE02120300000000202051";"03.02.24";"02.02.24";"LASTSCHRIFT";"Strom";"";"";"R1";"";"";"";"Stadtwerke";"DE11520513735120710131";"X";"-1.036,99";"EUR";"Umsatz gebucht"\n'
        '"DE02120300000000202051";"01.02.24";"01.02.24";"GUTSCHRIFT";"Rechnung 7";"";"";"";"";"";"";"Kunde";"DE11520513735120710131";"X";"500,00";"EUR";"Umsatz gebucht"\n',
        "2024-02-03 -1036.99, 2024-02-01 500.00",
        "EUR",
        "cp1252",
    ),
    Style(
        "de-dkb-preamble",
        '"Kontonummer:";"DE02120300000000202051 / Girokonto";\n"Von:";"01.01.2024";\n"Bis:";"31.01.2024";\n"Kontostand vom 31.01.2024:";"1.234,56 EUR";\n\n'
        '"Buchungstag";"Wertstellung";"Buchungstext";"Auftraggeber / Begünstigter";"Verwendungszweck";"Kontonummer";"BLZ";"Betrag (EUR)";"Gläubiger-ID";"Mandatsreferenz";"Kundenreferenz";\n'
        '"31.01.2024";"31.01.2024";"Lohn";"Firma";"Gehalt";"DE1";"B";"2.500,00";"";"";"";\n"30.01.2024";"30.01.2024";"Lastschrift";"Laden";"Einkauf";"DE2";"B";"-45,10";"";"";"";\n',
        "2024-01-31 2500.00, 2024-01-30 -45.10",
        "EUR",
        "cp1252",
    ),
    Style(
        "de-dkb-new",
        '"Girokonto";"DE02120300000000202051"\n"Zeitraum:";"01.08.2023 - 31.08.2023"\n"Kontostand vom 31.08.2023:";"1.204,00 €"\n""\n'
        '"Buchungsdatum";"Wertstellung";"Status";"Zahlungspflichtige*r";"Zahlungsempfänger*in";"Verwendungszweck";"Umsatztyp";"IBAN";"Betrag (€)";"Gläubiger-ID";"Mandatsreferenz";"Kundenreferenz"\n'
        '"22.08.23";"22.08.23";"Gebucht";"ICH";"Laden";"Einkauf";"Ausgang";"DE1";"-1.204,50 €";"";"";""\n"21.08.23";"";"Vorgemerkt";"ICH";"Bahn";"Fahrt";"Ausgang";"DE1";"-12";"";"";""\n',
        "2023-08-22 -1204.50, 2023-08-21 -12",
        "EUR",
    ),
    Style(
        "de-ing-two-currency-columns",
        "Umsatzanzeige;Datei erstellt am: 12.01.2024 12:34\n\nIBAN;DE02 1203 0000 0000 2020 51\nKontoname;Girokonto\nBank;ING\nZeitraum;01.01.2024 - 12.01.2024\nSaldo;1.500,00;EUR\n\n"
        "Buchung;Valuta;Auftraggeber/Empfänger;Buchungstext;Verwendungszweck;Saldo;Währung;Betrag;Währung\n"
        "11.01.2024;11.01.2024;Laden;Lastschrift;Einkauf;1.500,00;EUR;-1.250,25;EUR\n05.01.2024;05.01.2024;Firma;Gehalt;Lohn;2.750,25;EUR;2.000,00;EUR\n",
        "2024-01-11 -1250.25, 2024-01-05 2000.00",
        "EUR",
        "cp1252",
    ),
    Style(
        "de-volksbank-s-h",
        '"Volksbank";"";""\n"Umsatzanzeige"\n"BLZ:";"12345678";;;;;;;;;;"Datum:";"01.02.2024"\n"Konto:";"1234567"\n\n'
        '"Buchungstag";"Valuta";"Auftraggeber/Zahlungsempfänger";"Empfänger/Zahlungspflichtiger";"Konto-Nr.";"IBAN";"BLZ";"BIC";"Vorgang/Verwendungszweck";"Kundenreferenz";"Währung";"Umsatz";" "\n'
        '"31.01.2024";"31.01.2024";"ICH";"Laden";"";"DE1";"";"";"Einkauf\nzweite Zeile";"";"EUR";"1.045,10";"S"\n"30.01.2024";"30.01.2024";"ICH";"Firma";"";"DE2";"";"";"Lohn";"";"EUR";"2.000,00";"H"\n\n'
        '"29.01.2024";"";"";"";"";"";"";"";"";"Anfangssaldo";"EUR";"100,00";"H"\n"31.01.2024";"";"";"";"";"";"";"";"";"Endsaldo";"EUR";"1.054,90";"H"\n',
        "2024-01-31 -1045.10, 2024-01-30 2000.00",
        "EUR",
        "cp1252",
    ),
    Style(
        "de-comdirect-open-rows",
        ';\n"Umsätze Girokonto";"Zeitraum: 30 Tage";\n"Neuer Kontostand";"1.234,56 EUR";\n\n"Buchungstag";"Wertstellung (Valuta)";"Vorgang";"Buchungstext";"Umsatz in EUR";\n'
        '"offen";"--";"Karte";"Laden";"-9,99";\n"15.01.2024";"15.01.2024";"Lastschrift";"Auftraggeber: Strom AG";"-1.089,00";\n"14.01.2024";"14.01.2024";"Übertrag";"Lohn";"2.000,00";\n\n"Alter Kontostand";"323,56 EUR";\n',
        "2024-01-15 -1089.00, 2024-01-14 2000.00",
        "EUR",
        "cp1252",
    ),
    Style(
        "de-deutsche-bank-soll-haben",
        "Umsätze - 123 4567890 00;;;Kundennummer: 123 4567890\n\n31.12.2023 - 31.01.2024\nLetzter Kontostand;;;;5.000,00;EUR\n"
        "Buchungstag;Wert;Umsatzart;Begünstigter / Auftraggeber;Verwendungszweck;IBAN;BIC;Kundenreferenz;Mandatsreferenz ;Gläubiger ID;Fremde Gebühren;Betrag;Abweichender Empfänger;Anzahl der Aufträge;Anzahl der Schecks;Soll;Haben;Währung\n"
        "02.01.2024;02.01.2024;SEPA-Lastschrift;Strom AG;Abschlag;DE1;;;;;;;;;;-1.100,50;;EUR\n15.01.2024;15.01.2024;SEPA-Gutschrift;Kunde;Rechnung;DE2;;;;;;;;;;;2.300,00;EUR\nKontostand;31.01.2024;;;6.199,50;EUR\n",
        "2024-01-02 -1100.50, 2024-01-15 2300.00",
        "EUR",
        "cp1252",
    ),
    Style(
        "de-paypal",
        '"Datum","Uhrzeit","Zeitzone","Name","Typ","Status","Währung","Brutto","Entgelt","Netto","Absender E-Mail-Adresse","Empfänger E-Mail-Adresse","Transaktionscode","Guthaben"\n'
        '"05.01.2024","10:00:00","CET","Kunde","Zahlung","Abgeschlossen","EUR","1.000,00","-20,00","980,00","a@x.test","b@x.test","1AB","1.980,00"\n'
        '"04.01.2024","09:00:00","CET","Shop","Kauf","Abgeschlossen","EUR","-50,00","0,00","-50,00","b@x.test","c@x.test","1AC","1.000,00"\n',
        "2024-01-05 980.00, 2024-01-04 -50.00",
        "EUR",
    ),
    Style(
        "at-headerless",
        "03.01.2024;Einkauf SPAR;03.01.2024;-1.012,50;EUR;03.01.2024 10:11:12:123\n04.01.2024;Lohn Jänner;04.01.2024;2.100,00;EUR;04.01.2024 00:00:01:001\n",
        "2024-01-03 -1012.50, 2024-01-04 2100.00",
        "EUR",
        "cp1252",
    ),
    Style(
        "ch-postfinance",
        "Datum von:;01.01.2024\nBuchungsart:;Alle Buchungen\nKonto:;CH9300762011623852957\nWährung:;CHF\n\n"
        "Buchungsdatum;Avisierungstext;Gutschrift in CHF;Lastschrift in CHF;Valuta;Saldo in CHF\n"
        "31.01.2024;KAUF LADEN;;-1'045.10;31.01.2024;954.90\n30.01.2024;GUTSCHRIFT LOHN;2'000.00;;30.01.2024;\n\nDisclaimer:\nDer Dokumentinhalt wurde durch Filtereinstellungen generiert.\n",
        "2024-01-31 -1045.10, 2024-01-30 2000.00",
        "CHF",
    ),
    Style(
        "ch-zkb",
        '"Datum";"Buchungstext";"Whg";"Betrag Detail";"ZKB-Referenz";"Referenznummer";"Belastung CHF";"Gutschrift CHF";"Valuta";"Saldo CHF"\n'
        '"31.01.2024";"Einkauf";"";"";"Z1";"";"45.10";"";"31.01.2024";"1\'954.90"\n"30.01.2024";"Lohn";"";"";"Z2";"";"";"2000.00";"30.01.2024";"2000.00"\n',
        "2024-01-31 -45.10, 2024-01-30 2000.00",
        "CHF",
    ),
    Style(
        "fr-credit-agricole-spaces",
        "Téléchargement du 01/02/2024;\n\nM. DURAND\nCompte de Dépôt carte n° 12345678901;\nSolde au 31/01/2024 1 234,56 €\n\nListe des opérations du compte entre le 01/01/2024 et le 31/01/2024;\n\n"
        'Date;Libellé;Débit euros;Crédit euros;\n31/01/2024;"PAIEMENT PAR CARTE\nBOULANGERIE";1 045,10;;\n03/01/2024;"VIREMENT RECU";;2\u00a0300,00;\n',
        "2024-01-31 -1045.10, 2024-01-03 2300.00",
        "EUR",
    ),
    Style(
        "fr-boursorama",
        "dateOp;dateVal;label;category;categoryParent;supplierFound;amount;comment;accountNum;accountLabel;accountbalance\n"
        '2024-01-31;2024-01-31;"CARTE 30/01/24 LIDL";"Alimentation";"Vie";"lidl";"-1 045,10";;00040;"BoursoBank";954,90\n2024-01-03;2024-01-03;"VIR Salaire";"Salaires";"Revenus";"x";"2 300,00";;00040;"BoursoBank";2000,00\n',
        "2024-01-31 -1045.10, 2024-01-03 2300.00",
    ),
    Style(
        "fr-banque-postale-francs",
        "Numéro Compte   ;1234567X020\nType            ;CCP\nCompte tenu en  ;euros\nDate            ;01/02/2024\nSolde (EUROS)   ;1234,56\nSolde (FRANCS)  ;8098,18\n\n"
        "Date;Libellé;Montant(EUROS);Montant(FRANCS)\n31/01/2024;ACHAT CB;-45,10;-295,84\n03/01/2024;VIREMENT DE CAF;300,00;1967,87\n",
        "2024-01-31 -45.10, 2024-01-03 300.00",
        "",
        "cp1252",
    ),
    Style(
        "es-caixabank",
        "Fecha;Fecha valor;Movimiento;Más datos;Importe;Saldo\n31/01/2024;31/01/2024;RECIBO LUZ;Iberia;-1.045,10EUR;954,90EUR\n03/01/2024;03/01/2024;TRANSFERENCIA;Nómina;2.000,00EUR;2.000,00EUR\n",
        "2024-01-31 -1045.10, 2024-01-03 2000.00",
        "EUR",
        "cp1252",
    ),
    Style(
        "it-two-columns",
        "Data Contabile;Data Valuta;Addebiti (euro);Accrediti (euro);Descrizione operazioni\n31/01/2024;31/01/2024;1.045,10;;PAGAMENTO POS\n03/01/2024;03/01/2024;;2.300,00;BONIFICO\n",
        "2024-01-31 -1045.10, 2024-01-03 2300.00",
    ),
    Style(
        "it-fineco-entrate-uscite",
        "Data;Entrate;Uscite;Descrizione;Descrizione Completa;Stato\n31/01/2024;;-45,10;Pagamento;Bar Roma;Contabilizzato\n03/01/2024;2.300,00;;Stipendio;Ditta;Contabilizzato\n",
        "2024-01-31 -45.10, 2024-01-03 2300.00",
    ),
    Style(
        "nl-ing-af-bij",
        '"Datum","Naam / Omschrijving","Rekening","Tegenrekening","Code","Af Bij","Bedrag (EUR)","Mutatiesoort","Mededelingen"\n'
        '"20240131","Albert Heijn","NL20INGB0001234567","","BA","Af","1045,10","Betaalautomaat","Pasvolgnr 001"\n"20240103","Werkgever","NL20INGB0001234567","NL44RABO0123456789","GT","Bij","2300,00","Online bankieren","Salaris"\n',
        "2024-01-31 -1045.10, 2024-01-03 2300.00",
        "EUR",
    ),
    Style(
        "nl-abn-tab-headerless",
        "123456789\tEUR\t20240131\t1000,00\t954,90\t20240131\t-45,10\tBEA  Betaalpas AH\n123456789\tEUR\t20240202\t954,90\t3254,90\t20240202\t2300,00\tSEPA Overboeking\n123456789\tEUR\t20240203\t3254,90\t3244,90\t20240203\t-10,00\tIDEAL\n",
        "2024-01-31 -45.10, 2024-02-02 2300.00, 2024-02-03 -10.00",
        "EUR",
    ),
    Style(
        "nl-knab-c-d",
        "KNAB EXPORT;;;;;;\nRekeningnummer;Transactiedatum;Valutacode;CreditDebet;Bedrag;Tegenrekeningnummer;Tegenrekeninghouder;Valutadatum;Betaalwijze;Omschrijving\n"
        '"NL1";"31-01-2024";"EUR";"D";"45,10";"";"AH";"31-01-2024";"Pin";"Boodschappen"\n"NL1";"03-01-2024";"EUR";"C";"2300,00";"";"Baas";"03-01-2024";"Ontvangen";"Loon"\n',
        "2024-01-31 -45.10, 2024-01-03 2300.00",
        "EUR",
    ),
    Style(
        "be-belfius",
        "Boekingsdatum vanaf;01/01/2024\nBoekingsdatum tot en met;31/01/2024\nLaatste saldo;954,90 EUR\n;\n"
        "Rekening;Boekingsdatum;Rekeninguittrekselnummer;Transactienummer;Rekening tegenpartij;Naam tegenpartij bevat;Straat en nummer;Postcode en plaats;Transactie;Valutadatum;Bedrag;Devies;BIC;Landcode;Mededelingen\n"
        "BE68539007547034;31/01/2024;00001;00012;;COLRUYT;;;AANKOOP;31/01/2024;-45,10;EUR;;;REF 1\nBE68539007547034;03/01/2024;00001;00011;BE1;WERK;;;STORTING;03/01/2024;2.300,00;EUR;;;LOON\n",
        "2024-01-31 -45.10, 2024-01-03 2300.00",
        "EUR",
        "cp1252",
    ),
    Style(
        "uk-lloyds",
        "Transaction Date,Transaction Type,Sort Code,Account Number,Transaction Description,Debit Amount,Credit Amount,Balance\n"
        "05/01/2024,DEB,'11-22-33,12345678,TESCO,45.10,,954.90\n03/01/2024,BGC,'11-22-33,12345678,EMPLOYER,,1000.00,1000.00\n",
        "2024-01-05 -45.10, 2024-01-03 1000.00",
    ),
    Style(
        "uk-nationwide-preamble",
        '"Account Name:","Current ****12345"\n"Account Balance:","£954.90"\n"Available Balance: ","£954.90"\n\n"Date","Transaction type","Description","Paid out","Paid in","Balance"\n'
        '"05 Jan 2024","Visa purchase","TESCO","£45.10","","£954.90"\n"03 Jan 2024","Bank credit","EMPLOYER","","£1,000.00","£1,000.00"\n',
        "2024-01-05 -45.10, 2024-01-03 1000.00",
        "GBP",
        "cp1252",
    ),
    Style(
        "uk-hsbc-headerless",
        '25/01/2024,TESCO  STORES,-45.10\n03/01/2024,EMPLOYER,"1,000.00"\n',
        "2024-01-25 -45.10, 2024-01-03 1000.00",
    ),
    Style(
        "uk-natwest",
        'Date, Type, Description, Value, Balance, Account Name, Account Number\n\n31/01/2024,POS,"\'1234 30JAN24 TESCO",-45.10,954.90,"\'SMITH J","\'112233-12345678"\n03/01/2024,BAC,"\'EMPLOYER",1000.00,1000.00,"\'SMITH J","\'112233-12345678"\n',
        "2024-01-31 -45.10, 2024-01-03 1000.00",
    ),
    Style(
        "uk-amex-inverse",
        "Date,Description,Amount\n25/01/2024,TESCO STORES,45.10\n20/01/2024,PAYMENT RECEIVED - THANK YOU,-300.00\n18/01/2024,AMAZON,12.00\n",
        "2024-01-25 -45.10, 2024-01-20 300.00, 2024-01-18 -12.00",
    ),
    Style(
        "us-chase-checking",
        'Details,Posting Date,Description,Amount,Type,Balance,Check or Slip #\nDEBIT,01/31/2024,"TARGET",-45.10,DEBIT_CARD,954.90,,\nCREDIT,01/03/2024,"PAYROLL",1000.00,ACH_CREDIT,1000.00,,\nCHECK,01/02/2024,"CHECK 101",-5.00,CHECK_PAID,0.00,101,\n',
        "2024-01-31 -45.10, 2024-01-03 1000.00, 2024-01-02 -5.00",
    ),
    Style(
        "us-bofa-summary",
        'Description,,Summary Amt.\nBeginning balance as of 01/01/2024,,"1,000.00"\nTotal credits,,"2,300.00"\nTotal debits,,"-45.10"\nEnding balance as of 01/31/2024,,"3,254.90"\n\n'
        'Date,Description,Amount,Running Bal.\n01/01/2024,Beginning balance as of 01/01/2024,,"1,000.00"\n01/05/2024,"PAYROLL","2,300.00","3,300.00"\n01/31/2024,"TARGET","-45.10","3,254.90"\n',
        "2024-01-05 2300.00, 2024-01-31 -45.10",
    ),
    Style(
        "us-wells-fargo-headerless",
        '"01/31/2024","-45.10","*","","PURCHASE TARGET"\n"01/15/2024","1000.00","*","","PAYROLL"\n',
        "2024-01-31 -45.10, 2024-01-15 1000.00",
    ),
    Style(
        "us-capital-one-type",
        "Account Number,Transaction Description,Transaction Date,Transaction Type,Transaction Amount,Balance\n1234,Debit Card Purchase - X,01/31/24,Debit,45.1,954.9\n1234,Deposit from PAYROLL,01/15/24,Credit,1000,1000\n",
        "2024-01-31 -45.1, 2024-01-15 1000",
    ),
    Style(
        "us-discover-inverse",
        "Trans. Date,Post Date,Description,Amount,Category\n01/30/2024,01/31/2024,TARGET,45.10,Merchandise\n01/15/2024,01/15/2024,INTERNET PAYMENT - THANK YOU,-300.00,Payments and Credits\n01/03/2024,01/04/2024,SHELL,20.00,Gasoline\n",
        "2024-01-31 -45.10, 2024-01-15 300.00, 2024-01-04 -20.00",
    ),
    Style(
        "us-schwab-dollars",
        '"Date","Status","Type","CheckNumber","Description","Withdrawal","Deposit","RunningBalance"\n"01/31/2024","Posted","VISA","","TARGET","$45.10","","$954.90"\n"01/15/2024","Posted","ACH","","PAYROLL","","$1,000.00","$1,000.00"\n',
        "2024-01-31 -45.10, 2024-01-15 1000.00",
    ),
    Style(
        "ca-rbc-two-currencies",
        '"Account Type","Account Number","Transaction Date","Cheque Number","Description 1","Description 2","CAD$","USD$"\nChequing,01234-1234567,1/31/2024,,"CONTACTLESS","TIM",-45.10,,\nChequing,01234-1234567,1/15/2024,,"PAYROLL","BOSS",1000.00,,\n',
        "2024-01-31 -45.10, 2024-01-15 1000.00",
        "CAD",
    ),
    Style(
        "au-commbank-headerless",
        '31/01/2024,"-45.10","COLES 1234","+954.90"\n03/01/2024,"+1000.00","Salary","+1000.00"\n02/01/2024,"-10.00","Fee","+0.00"\n',
        "2024-01-31 -45.10, 2024-01-03 1000.00, 2024-01-02 -10.00",
    ),
    Style(
        "au-westpac",
        "Bank Account,Date,Narrative,Debit Amount,Credit Amount,Balance,Categories,Serial\n032000123456,31/01/2024,COLES,45.10,,954.90,PAYMENT,\n032000123456,03/01/2024,SALARY,,1000.00,1000.00,DEP,\n",
        "2024-01-31 -45.10, 2024-01-03 1000.00",
    ),
    Style(
        "in-hdfc-lakh",
        "  Date     ,Narration                ,Value Dat,Debit Amount       ,Credit Amount      ,Chq/Ref Number   ,Closing Balance\n"
        '  31/01/24  ,UPI-SHOP  ,31/01/24 ,       "1,045.10" ,        0.00 ,0000123 ,  "1,22,954.90"  \n  03/01/24  ,NEFT CR-BOSS ,03/01/24 ,   0.00 ,    "1,24,000.00" ,N003  ,   "1,24,000.00"  \n',
        "2024-01-31 -1045.10, 2024-01-03 124000.00",
    ),
    Style(
        "in-sbi-tab",
        "Account Name\t: Mr X\nAccount Number\t: _00000012345678901\n\nTxn Date\tValue Date\tDescription\tRef No./Cheque No.\t        Debit\tCredit\tBalance\t\n"
        "31 Jan 2024\t31 Jan 2024\tTO TRANSFER\tREF1\t1,045.10\t \t954.90\t\n3 Jan 2024\t3 Jan 2024\tBY TRANSFER\tREF2\t \t2,000.00\t2,000.00\t\n**This is a computer generated statement\n",
        "2024-01-31 -1045.10, 2024-01-03 2000.00",
    ),
    Style(
        "br-bradesco",
        "Extrato de: Ag: 123 | CC: 0012345-6 | Entre 01/01/2024 e 31/01/2024;;;;;\nData;Histórico;Docto.;Crédito (R$);Débito (R$);Saldo (R$);\n01/01/2024;SALDO ANTERIOR;;;;100,00;\n"
        "03/01/2024;TED RECEBIDA;123;2.300,00;;2.400,00;\n31/01/2024;PAGTO CONTA;124;;-1.045,10;1.354,90;\n;;Total;2.300,00;-1.045,10;1.354,90;\n",
        "2024-01-03 2300.00, 2024-01-31 -1045.10",
        "BRL",
        "cp1252",
    ),
    Style(
        "br-inter-preamble",
        " Extrato Conta Corrente \nConta ;123456789\nPeríodo ;01/01/2024 a 31/01/2024\nSaldo ;954,90\n\nData Lançamento;Histórico;Descrição;Valor;Saldo\n31/01/2024;Pix enviado ;Padaria;-1.045,10;954,90\n03/01/2024;Pix recebido;Cliente;2.000,00;2.000,00\n",
        "2024-01-31 -1045.10, 2024-01-03 2000.00",
    ),
    Style(
        "br-nubank-card",
        "date,title,amount\n2024-01-31,Padaria,45.10\n2024-01-20,Pagamento recebido,-300.00\n2024-01-18,Mercado,12.00\n",
        "2024-01-31 -45.10, 2024-01-20 300.00, 2024-01-18 -12.00",
    ),
    Style(
        "pl-mbank",
        "mBank S.A. Bankowość Detaliczna;\n#Klient;\nJAN KOWALSKI;\n#Waluta;#Wpływy;#Wydatki;\nPLN;2 300,00;-1 045,10;\n\n"
        '#Data operacji;#Opis operacji;#Rachunek;#Kategoria;#Kwota;#Saldo po operacji;\n2024-01-31;"ZAKUP ŻABKA";"eKonto";"Jedzenie";-1 045,10 PLN;1 254,90 PLN;\n2024-01-03;"PRZELEW";"eKonto";"Wpływy";2 300,00 PLN;2 300,00 PLN;\n',
        "2024-01-31 -1045.10, 2024-01-03 2300.00",
        "PLN",
        "cp1250",
    ),
    Style(
        "pl-pko",
        '"Data operacji","Data waluty","Typ transakcji","Kwota","Waluta","Saldo po transakcji","Opis transakcji","","",""\n"2024-01-31","2024-01-30","Płatność kartą","-45.10","PLN","+954.90","Tytuł: 1","Lokalizacja: ŁÓDŹ","",""\n"2024-01-03","2024-01-03","Przelew","+1000.00","PLN","+1000.00","Nadawca: X","","",""\n',
        "2024-01-31 -45.10, 2024-01-03 1000.00",
        "PLN",
        "cp1250",
    ),
    Style(
        "cz-fio",
        '"Výpis č. 1/2024 z účtu ""123456789/2010"""\n"Majitel účtu: Jan Novák"\n"Počáteční stav účtu k 01.01.2024: 0,00 CZK"\n\n'
        '"ID pohybu";"Datum";"Objem";"Měna";"Protiúčet";"Název protiúčtu";"Kód banky";"KS";"VS";"SS";"Zpráva pro příjemce";"Typ"\n'
        '"2345";"31.01.2024";"-1045,10";"CZK";"1/0100";"Obchod";"0100";"";"77";"";"Nákup";"Platba kartou"\n"2346";"03.02.2024";"2000,00";"CZK";"2/0100";"Práce";"0100";"";"";"";"Mzda";"Příjem"\n',
        "2024-01-31 -1045.10, 2024-02-03 2000.00",
        "CZK",
    ),
    Style(
        "jp-mufg",
        '"日付","摘要","摘要内容","支払い金額","預かり金額","差引残高","メモ","未資金化区分","入払区分"\n"2024/1/31","カード","ローソン","1,200","","98,800","","","支払い"\n"2024/1/25","給料","カイシャ","","100,000","100,000","","","預り"\n',
        "2024-01-31 -1200, 2024-01-25 100000",
        "",
        "cp932",
    ),
    Style(
        "jp-rakuten",
        "取引日,入出金(円),取引後残高(円),入出金内容\n20240125,100000,100000,給与\n20240131,-1200,98800,ローソン\n20240201,-800,98000,スーパー\n",
        "2024-01-25 100000, 2024-01-31 -1200, 2024-02-01 -800",
        "JPY",
        "cp932",
    ),
    Style(
        "se-nordea",
        "Bokföringsdag;Belopp;Avsändare;Mottagare;Namn;Rubrik;Saldo;Valuta\n2024-01-31;-1 045,10;123;;;ICA;954,90;SEK\n2024-01-25;2 000,00;;123;;Lön;2 000,00;SEK\n",
        "2024-01-31 -1045.10, 2024-01-25 2000.00",
        "SEK",
    ),
    Style(
        "no-dnb",
        '"Dato";"Forklaring";"Rentedato";"Ut fra konto";"Inn på konto"\n"31.01.2024";"Varekjøp REMA";"31.01.2024";"1.045,10";""\n"25.01.2024";"Lønn";"25.01.2024";"";"2.000,00"\n',
        "2024-01-31 -1045.10, 2024-01-25 2000.00",
        "",
        "cp1252",
    ),
    Style(
        "dk-danske",
        '"Dato";"Tekst";"Beløb";"Saldo";"Status";"Afstemt"\n"31.01.2024";"Netto";"-1.045,10";"954,90";"Udført";"Nej"\n"25.01.2024";"Løn";"2.000,00";"2.000,00";"Udført";"Nej"\n',
        "2024-01-31 -1045.10, 2024-01-25 2000.00",
        "",
        "cp1252",
    ),
    Style(
        "fi-op",
        '"Kirjauspäivä";"Arvopäivä";"Määrä EUROA";"Laji";"Selitys";"Saaja/Maksaja";"Saajan tilinumero";"Viite";"Viesti";"Arkistointitunnus"\n2024-01-31;2024-01-31;-45,10;162;PKORTTI;K-MARKET;;"";"";A1\n2024-01-25;2024-01-25;2000,00;588;PALKKA;FIRMA;;"";"";A2\n',
        "2024-01-31 -45.10, 2024-01-25 2000.00",
    ),
    Style(
        "revolut",
        "Type,Product,Started Date,Completed Date,Description,Amount,Fee,Currency,State,Balance\nCARD_PAYMENT,Current,2024-01-30 10:00:00,2024-01-31 09:00:00,Shop,-45.10,0.00,EUR,COMPLETED,954.90\nTOPUP,Current,2024-02-01 10:00:00,2024-02-01 10:00:01,Top-Up,1000.00,0.00,EUR,COMPLETED,1954.90\nCARD_PAYMENT,Current,2024-02-02 10:00:00,,Cafe,-3.00,0.00,EUR,PENDING,\n",
        "2024-01-31 -45.10, 2024-02-01 1000.00, 2024-02-02 -3.00",
        "EUR",
    ),
    Style(
        "wise",
        '"TransferWise ID",Date,Amount,Currency,Description,"Payment Reference","Running Balance","Exchange From","Exchange To","Exchange Rate","Payer Name","Payee Name","Merchant","Total fees"\nCARD-1,31-01-2024,-45.10,GBP,"Card transaction","",954.90,,,,,,Shop,0.00\nTRANSFER-2,03-01-2024,1000.00,GBP,"Received money","INV 7",1000.00,,,,Client,,,0.00\n',
        "2024-01-31 -45.10, 2024-01-03 1000.00",
        "GBP",
    ),
    Style(
        "tr-turkish",
        "Tarih;Açıklama;Tutar;Bakiye\n31/01/2024;MARKET ALIŞVERİŞ;-1.045,10 TL;954,90 TL\n25/01/2024;MAAŞ;2.000,00 TL;2.000,00 TL\n",
        "2024-01-31 -1045.10, 2024-01-25 2000.00",
        "",
        "cp1254",
    ),
    Style(
        "ru-bank",
        "Дата операции;Описание;Сумма;Валюта\n31.01.2024;Оплата товаров;-1045,10;RUB\n25.01.2024;Зарплата;2000,00;RUB\n",
        "2024-01-31 -1045.10, 2024-01-25 2000.00",
        "RUB",
        "cp1251",
    ),
    Style(
        "pt-trailing-minus-and-parentheses",
        "Data Mov.;Data Valor;Descrição;Montante;Saldo Contabilístico\n31-01-2024;31-01-2024;COMPRA;1.045,10-;954,90\n25-01-2024;25-01-2024;ORDENADO;2.000,00;2.000,00\n24-01-2024;24-01-2024;TAXA;(5,00);0,00\n",
        "2024-01-31 -1045.10, 2024-01-25 2000.00, 2024-01-24 -5.00",
    ),
    Style(
        "za-cr-suffix",
        "Date,Description,Amount,Balance\n2024/01/31,SHOP,45.10 Dr,954.90 Cr\n2024/01/25,SALARY,1000.00 Cr,1000.00 Cr\n",
        "2024-01-31 -45.10, 2024-01-25 1000.00",
    ),
    Style(
        "utf16-tab-with-sep-line",
        "sep=\t\nDate\tDescription\tAmount\n2024-01-31\t=1+1\t-45.10\n2024-01-25\t@SUM(A1)\t1000.00\n",
        "2024-01-31 -45.10, 2024-01-25 1000.00",
        "",
        "utf-16",
    ),
    Style(
        "totals-and-repeated-header",
        "Date,Description,Debit,Credit\n01/13/2024,Shop,45.10,\nDate,Description,Debit,Credit\n01/14/2024,Pay,,1000.00\n,Total,45.10,1000.00\n",
        "2024-01-13 -45.10, 2024-01-14 1000.00",
    ),
    Style(
        "one-bad-row",
        "Date,Description,Amount\n2024-01-13,Shop,-45.10\n2024-02-31,Ghost,-1.00\n2024-01-14,Odd,twelve\n2024-01-15,Pay,1000.00\n",
        "2024-01-13 -45.10, 2024-01-15 1000.00",
        left_out=2,
    ),
    Style(
        "two-header-rows",
        "Date,Value date,Text,Debit,Credit,Balance\nDatum,Valuta,Text,Belastung,Gutschrift,Saldo\n31.01.2024,31.01.2024,Shop,45.10,,954.90\n25.01.2024,25.01.2024,Pay,,1000.00,1000.00\n",
        "2024-01-31 -45.10, 2024-01-25 1000.00",
    ),
    Style(
        "rows-quoted-whole",
        '"Date,Description,Amount"\n"2024-01-31,""Shop, corner"",-45.10"\n"2024-01-25,Pay,1000.00"\n',
        "2024-01-31 -45.10, 2024-01-25 1000.00",
    ),
]
