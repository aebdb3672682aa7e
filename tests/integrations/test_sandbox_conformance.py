"""The sandbox against the vendors' own specifications: Stripe's OpenAPI, Shopify's introspection."""

from __future__ import annotations

import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    InlineFragmentNode,
    build_client_schema,
    parse,
    validate,
)

from integrations.sandbox.business import simulate
from integrations.sandbox.systems import shopify, stripe
from integrations.sandbox.web import Request, State

REFERENCE = Path(os.environ.get("LEDGERHUB_REFERENCE", Path(__file__).parents[3] / "shared"))
STRIPE_SPEC = REFERENCE / "vendor/stripe/spec3.json"
SHOPIFY_SCHEMA = REFERENCE / "vendor/shopify/admin-graphql/admin_2026-07.json.gz"
pytestmark = pytest.mark.conformance

MONEY = "{ shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }"
TAXES = f"{{ title rate ratePercentage source channelLiable priceSet {MONEY} }}"
ADDRESS = """{ id address1 address2 city company country countryCodeV2 firstName lastName name phone province
  provinceCode zip latitude longitude coordinatesValidated formattedArea timeZone formatted }"""
TRANSACTION = f"""{{ id kind status gateway formattedGateway manualPaymentGateway test amountSet {MONEY}
  amountRoundingSet {MONEY} createdAt processedAt paymentId accountNumber authorizationExpiresAt errorCode
  manuallyCapturable multiCapturable settlementCurrency settlementCurrencyRate totalUnsettledSet {MONEY}
    maximumRefundableV2 {{ amount }} receiptJson
  parentTransaction {{ id }} order {{ id }}
  fees {{ id type rate rateName flatFeeName amount {{ amount currencyCode }} flatFee {{ amount }}
    taxAmount {{ amount }} }} }}"""
DISCOUNT = """{ __typename index allocationMethod targetSelection targetType
  ... on DiscountCodeApplication { code } ... on ManualDiscountApplication { title description }
  value { __typename ... on MoneyV2 { amount currencyCode } ... on PricingPercentageValue { percentage }
    } }"""
MONEY_FIELDS = (
    "subtotalPriceSet",
    "totalDiscountsSet",
    "cartDiscountAmountSet",
    "totalShippingPriceSet",
    "totalTaxSet",
    "totalTipReceivedSet",
    "totalPriceSet",
    "originalTotalPriceSet",
    "currentSubtotalPriceSet",
    "currentTotalDiscountsSet",
    "currentCartDiscountAmountSet",
    "currentShippingPriceSet",
    "currentTotalTaxSet",
    "currentTotalPriceSet",
    "currentTotalDutiesSet",
    "originalTotalDutiesSet",
    "currentTotalAdditionalFeesSet",
    "originalTotalAdditionalFeesSet",
    "totalReceivedSet",
    "totalRefundedSet",
    "totalRefundedShippingSet",
    "netPaymentSet",
    "totalOutstandingSet",
    "totalCapturableSet",
    "refundDiscrepancySet",
)
ORDER_MONEY = " ".join(f"{name} {MONEY}" for name in MONEY_FIELDS)
LINE = f"""{{ id title name sku variantTitle vendor quantity currentQuantity refundableQuantity
  nonFulfillableQuantity unfulfilledQuantity isGiftCard taxable requiresShipping restockable merchantEditable
  customAttributes {{ key value }} duties {{ id }} product {{ id legacyResourceId title handle vendor
    productType
  isGiftCard status }} variant {{ id legacyResourceId title displayName sku barcode price taxable }}
  originalUnitPriceSet {MONEY} originalTotalSet {MONEY} discountedUnitPriceSet {MONEY}
  discountedUnitPriceAfterAllDiscountsSet {MONEY} discountedTotalSet {MONEY}
  withCodes: discountedTotalSet(withCodeDiscounts: true) {MONEY} totalDiscountSet {MONEY}
  priceAfterAllDiscountsBeforeTaxesSet {MONEY} unfulfilledDiscountedTotalSet {MONEY}
  unfulfilledOriginalTotalSet {MONEY} taxLines(first: 5) {TAXES}
  discountAllocations {{ allocatedAmountSet {MONEY} discountApplication {DISCOUNT} }} }}"""
SHIPPING = f"""{{ id title code source carrierIdentifier custom isRemoved deliveryCategory phone
  originalPriceSet {MONEY} discountedPriceSet {MONEY} currentDiscountedPriceSet {MONEY}
  discountAllocations {{ allocatedAmountSet {MONEY} }} taxLines {TAXES} }}"""
REFUND = f"""{{ id legacyResourceId createdAt processedAt updatedAt note order {{ id }} return {{ id }}
  duties {{ amountSet {MONEY} }} totalRefundedSet {MONEY}
  refundLineItems(first: 10) {{ nodes {{ id quantity priceSet {MONEY} subtotalSet {MONEY} totalTaxSet {MONEY}
    restockType restocked location {{ id }} lineItem {{ id }} }} }}
  refundShippingLines(first: 5) {{ edges {{ cursor node {{ id subtotalAmountSet {MONEY} taxAmountSet {MONEY}
    shippingLine {{ id }} }} }} }}
  orderAdjustments(first: 5) {{ nodes {{ id reason amountSet {MONEY} taxAmountSet {MONEY} }} }}
  transactions(first: 5) {{ nodes {TRANSACTION} }} }}"""
PAGE = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
ORDERS = f"""query Orders($first: Int!, $after: String) {{
  orders(first: $first, after: $after, sortKey: UPDATED_AT, query: "updated_at:>=2026-01-01") {{ {PAGE}
    edges {{ cursor node {{ ...Everything }} }} }} }}
fragment Everything on Order {{ id legacyResourceId name number confirmationNumber createdAt processedAt
  updatedAt cancelledAt cancelReason closed closedAt confirmed test edited email phone note poNumber tags
  customAttributes {{ key value }} sourceName sourceIdentifier customerLocale currencyCode
  presentmentCurrencyCode taxesIncluded taxExempt estimatedTaxes dutiesIncluded requiresShipping discountCode
  discountCodes paymentGatewayNames displayFinancialStatus displayFulfillmentStatus returnStatus fullyPaid
  unpaid capturable refundable canMarkAsPaid canNotifyCustomer cartToken checkoutToken
  clientIp customerAcceptsMarketing currentTotalWeight totalWeight fulfillable hasTimelineComment
    merchantEditable
  merchantEditableErrors productNetwork registeredSourceUrl restockable statusPageUrl
    billingAddressMatchesShippingAddress billingAddress {ADDRESS}
  shippingAddress {ADDRESS} customer {{ id }} lineItems(first: 20) {{ nodes {LINE} {PAGE} }}
  shippingLine {SHIPPING} shippingLines(first: 5) {{ nodes {SHIPPING} }} taxLines {TAXES} currentTaxLines
    {TAXES}
  discountApplications(first: 5) {{ nodes {DISCOUNT} }} transactions(first: 10) {TRANSACTION}
  transactionsCount {{ count precision }} refunds(first: 5) {REFUND} subtotalLineItemsQuantity
  currentSubtotalLineItemsQuantity {ORDER_MONEY} }}"""
PAYMENTS = f"""{{ shop {{ id name email contactEmail shopOwnerName description myshopifyDomain url
    currencyCode
    enabledPresentmentCurrencies ianaTimezone timezoneAbbreviation timezoneOffset timezoneOffsetMinutes
    taxesIncluded taxShipping setupRequired checkoutApiSupported unitSystem weightUnit orderNumberFormatPrefix
    orderNumberFormatSuffix createdAt updatedAt primaryDomain {{ id host url sslEnabled }}
    plan {{ partnerDevelopment publicDisplayName shopifyPlus }} }}
  ordersCount(query: "financial_status:paid") {{ count precision }} customersCount {{ count precision }}
  shopifyPaymentsAccount {{ id activated onboardable country defaultCurrency accountOpenerName
    payoutStatementDescriptor payoutSchedule {{ interval monthlyAnchor weeklyAnchor }}
    balance {{ amount currencyCode }}
    payouts(first: 100, reverse: true) {{ {PAGE} nodes {{ id legacyResourceId issuedAt net {{ amount
    currencyCode }}
      status transactionType externalTraceId summary {{ adjustmentsFee {{ amount }} adjustmentsGross {{
    amount }}
      advanceFees {{ amount }} advanceGross {{ amount }} chargesFee {{ amount }} chargesGross {{ amount }}
      refundsFee {{ amount }} refundsFeeGross {{ amount }} reservedFundsFee {{ amount }}
      reservedFundsGross {{ amount }} retriedPayoutsFee {{ amount }} retriedPayoutsGross {{ amount }}
      usdcRebateCreditAmount {{ amount }} }} }} }}
    balanceTransactions(first: 250, hideTransfers: false) {{ {PAGE} nodes {{ id type sourceType sourceId
      sourceOrderTransactionId amount {{ amount currencyCode }} fee {{ amount }} net {{ amount }}
    transactionDate
      test adjustmentReason adjustmentsOrders {{ name }} associatedOrder {{ id name }}
      associatedPayout {{ id status }} }} }}
    disputes(first: 10) {{ nodes {{ id legacyResourceId amount {{ amount }} initiatedAt finalizedOn
    evidenceDueBy
      evidenceSentOn type status reasonDetails {{ reason networkReasonCode }} order {{ id name }} }} }}
    }} }}"""
CUSTOMERS = f"""{{ customers(first: 250) {{ {PAGE} nodes {{ id legacyResourceId firstName lastName displayName
  defaultEmailAddress {{ emailAddress marketingState marketingOptInLevel marketingUpdatedAt validFormat }}
  defaultPhoneNumber {{ phoneNumber }} defaultAddress {ADDRESS} addressesV2(first: 3) {{ nodes {ADDRESS}
    }} note
  tags taxExempt taxExemptions state locale verifiedEmail canDelete dataSaleOptOut multipassIdentifier
  productSubscriberStatus lifetimeDuration numberOfOrders amountSpent {{ amount currencyCode }} createdAt
  updatedAt orders(first: 3) {{ nodes {{ id }} }} }} }} }}"""
SCALARS = {
    "ID": r"gid://shopify/\w+/[\w?=]+",
    "DateTime": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "Decimal": r"-?\d+\.\d+",
    "Money": r"-?\d+\.\d\d",
    "UnsignedInt64": r"\d+",
    "BigInt": r"-?\d+",
    "URL": r"https://\S+",
}
PYTHON = {"Int": int, "Float": float, "Boolean": bool}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    if not SHOPIFY_SCHEMA.exists():
        pytest.skip(f"Shopify's introspection is not at {SHOPIFY_SCHEMA} (set LEDGERHUB_REFERENCE)")
    with gzip.open(SHOPIFY_SCHEMA) as file:
        return build_client_schema(json.load(file)["data"], assume_valid=True)


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    if not STRIPE_SPEC.exists():
        pytest.skip(f"Stripe's specification is not at {STRIPE_SPEC} (set LEDGERHUB_REFERENCE)")
    schemas: dict[str, Any] = json.loads(STRIPE_SPEC.read_text())["components"]["schemas"]
    return schemas


def ask(query: str, **variables: Any) -> dict[str, Any]:
    business = simulate()
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = Request("POST", shopify.PATH, (), {"x-shopify-access-token": shopify.TOKEN}, body)
    answer: dict[str, Any] = json.loads(shopify.respond(business, State(business.clock), request).body)
    assert "errors" not in answer, answer["errors"]
    data: dict[str, Any] = answer["data"]
    return data


def mismatches(
    schema: GraphQLSchema, kind: Any, value: Any, node: Any, fragments: Any, path: str
) -> list[str]:
    """Where an answer differs from the schema's types: nulls, scalars, enums, missing keys."""
    if isinstance(kind, GraphQLNonNull):
        if value is None:
            return [f"{path}: null where {kind}"]
        return mismatches(schema, kind.of_type, value, node, fragments, path)
    if value is None:
        return []
    if isinstance(kind, GraphQLList):
        return [
            found
            for index, item in enumerate(value)
            for found in mismatches(schema, kind.of_type, item, node, fragments, f"{path}[{index}]")
        ]
    if isinstance(kind, GraphQLEnumType):
        return [] if value in kind.values else [f"{path}: {value!r} is not in {kind}"]
    if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType):
        return in_object(schema, kind, value, node, fragments, path)
    if kind.name in PYTHON:
        return [] if type(value) is PYTHON[kind.name] else [f"{path}: {value!r} is not {kind}"]
    pattern = SCALARS.get(kind.name, r"(?s).*")
    good = isinstance(value, str) and re.fullmatch(pattern, value)
    return [] if good else [f"{path}: {value!r} is not {kind}"]


def in_object(
    schema: GraphQLSchema, kind: Any, value: Any, node: Any, fragments: Any, path: str
) -> list[str]:
    concrete = kind
    if isinstance(kind, GraphQLInterfaceType | GraphQLUnionType):
        concrete = schema.type_map[value["__typename"]]
    found = []
    for item in node.selection_set.selections:
        if not isinstance(item, FieldNode):
            fragment = item if isinstance(item, InlineFragmentNode) else fragments[item.name.value]
            if fragment.type_condition and fragment.type_condition.name.value == concrete.name:
                found += in_object(schema, concrete, value, fragment, fragments, path)
            continue
        key = item.alias.value if item.alias else item.name.value
        if item.name.value == "__typename":
            continue
        if key not in value:
            found.append(f"{path}.{key}: missing")
            continue
        field = concrete.fields[item.name.value]
        found += mismatches(schema, field.type, value[key], item, fragments, f"{path}.{key}")
    return found


@pytest.mark.parametrize(
    ("query", "variables"),
    [(ORDERS, {"first": 250}), (PAYMENTS, {}), (CUSTOMERS, {})],
    ids=["orders", "payments", "customers"],
)
def test_shopify_answers_have_the_types_of_the_schema(
    schema: GraphQLSchema, query: str, variables: dict[str, Any]
) -> None:
    document = parse(query)
    assert [str(error) for error in validate(schema, document)] == []
    data = ask(query, **variables)
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    operation = next(d for d in document.definitions if d.kind == "operation_definition")
    assert mismatches(schema, schema.query_type, data, operation, fragments, "") == []


def test_every_object_shopify_serves_is_reached_by_the_queries_above(schema: GraphQLSchema) -> None:
    orders = ask(ORDERS, first=250)["orders"]["edges"]
    assert len(orders) == 250
    assert {edge["node"]["displayFinancialStatus"] for edge in orders} == {
        "PAID", "PENDING", "VOIDED", "PARTIALLY_REFUNDED", "REFUNDED"
    }  # fmt: skip
    account = ask(PAYMENTS)["shopifyPaymentsAccount"]
    kinds = {line["type"] for line in account["balanceTransactions"]["nodes"]}
    assert kinds >= {"CHARGE", "REFUND", "ADJUSTMENT", "TRANSFER", "DISPUTE_WITHDRAWAL", "DISPUTE_REVERSAL"}


def faults(schemas: dict[str, Any], kind: dict[str, Any], value: Any, path: str) -> list[str]:
    """A small JSON-schema check: $ref, anyOf, nullable, type, enum, required, items, unknown properties."""
    if "$ref" in kind:
        return faults(schemas, schemas[kind["$ref"].rpartition("/")[2]], value, path)
    if value is None:
        return [] if kind.get("nullable") else [f"{path}: null"]
    if "anyOf" in kind:
        options = [faults(schemas, option, value, path) for option in kind["anyOf"]]
        return [] if [] in options else min(options, key=len)
    if "enum" in kind and value not in kind["enum"]:
        return [f"{path}: {value!r} not in {kind['enum']}"]
    types: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "array": list,
        "object": dict,
    }
    expected = kind.get("type")
    if expected and (
        not isinstance(value, types[expected]) or (expected == "integer" and isinstance(value, bool))
    ):
        return [f"{path}: {value!r} is not {expected}"]
    if expected == "array":
        return [
            f for n, item in enumerate(value) for f in faults(schemas, kind["items"], item, f"{path}[{n}]")
        ]
    if isinstance(value, dict) and "properties" in kind:
        return in_properties(schemas, kind, value, path)
    return []


def in_properties(
    schemas: dict[str, Any], kind: dict[str, Any], value: dict[str, Any], path: str
) -> list[str]:
    found = [f"{path}.{name}: missing" for name in kind.get("required", []) if name not in value]
    for name, item in value.items():
        if name in kind["properties"]:
            found += faults(schemas, kind["properties"][name], item, f"{path}.{name}")
        else:
            found.append(f"{path}.{name}: not in the specification")
    return found


def get(path: str, *query: tuple[str, str]) -> dict[str, Any]:
    business = simulate()
    request = Request("GET", path, query, {"authorization": f"Bearer {stripe.KEY}"})
    response = stripe.respond(business, State(business.clock), request)
    assert response.status == 200, response.body
    value: dict[str, Any] = json.loads(response.body)
    return value


@pytest.mark.parametrize(
    ("path", "component", "expand"),
    [
        ("/v1/customers", "customer", ""),
        ("/v1/charges", "charge", "data.balance_transaction"),
        ("/v1/refunds", "refund", "data.charge"),
        ("/v1/disputes", "dispute", "data.charge"),
        ("/v1/balance_transactions", "balance_transaction", "data.source"),
        ("/v1/payouts", "payout", "data.balance_transaction"),
        ("/v1/events", "event", ""),
    ],
)
def test_stripe_lists_follow_the_specification(
    specification: dict[str, Any], path: str, component: str, expand: str
) -> None:
    query = [("limit", "100"), *([("expand[]", expand)] if expand else [])]
    count, after = 0, ""
    while True:
        page = get(path, *query, *([("starting_after", after)] if after else []))
        assert {key: page[key] for key in ("object", "url")} == {"object": "list", "url": path}
        for record in page["data"]:
            assert faults(specification, {"$ref": component}, record, component) == []
        count += len(page["data"])
        if not page["has_more"]:
            break
        after = page["data"][-1]["id"]
    assert count > 4


@pytest.mark.parametrize(("path", "component"), [("/v1/account", "account"), ("/v1/balance", "balance")])
def test_stripe_single_objects_follow_the_specification(
    specification: dict[str, Any], path: str, component: str
) -> None:
    assert faults(specification, {"$ref": component}, get(path), component) == []


def test_event_payloads_follow_the_specification(specification: dict[str, Any]) -> None:
    for event in get("/v1/events", ("limit", "100"))["data"]:
        record = event["data"]["object"]
        assert faults(specification, {"$ref": record["object"]}, record, event["type"]) == []
