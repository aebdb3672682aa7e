"""Shopify's GraphQL documents, Admin API 2026-07. Amounts are asked in shop money, the books' currency.

A first page is sized for the 1,000 points a query may cost by the strictest reading of the cost rules (every
object one point, every connection at full length); later pages follow the cost Shopify reports.
"""

from __future__ import annotations

ORDERS_FIRST = 5
LINES_FIRST = 10
LINES_MORE = 90
TRANSACTIONS_FIRST = 10

_MONEY = "{ shopMoney { amount } }"

_LINE = f"""
fragment Line on LineItem {{
  id title name sku quantity isGiftCard taxable
  originalUnitPriceSet {_MONEY}
  discountAllocations {{ allocatedAmountSet {_MONEY} }}
  taxLines {{ title rate priceSet {_MONEY} }}
}}"""

_TRANSACTION = """
fragment Transaction on OrderTransaction {
  id kind status gateway test createdAt processedAt paymentId
  amountSet { shopMoney { amount currencyCode } }
}"""

_ORDER = f"""
fragment Order on Order {{
  id name createdAt processedAt updatedAt cancelledAt test
  currencyCode presentmentCurrencyCode taxesIncluded displayFinancialStatus email
  totalPriceSet {_MONEY}
  totalTaxSet {_MONEY}
  totalDiscountsSet {_MONEY}
  totalTipReceivedSet {_MONEY}
  originalTotalDutiesSet {_MONEY}
  taxLines {{ title rate priceSet {_MONEY} }}
  customer {{
    id firstName lastName
    defaultEmailAddress {{ emailAddress }}
    defaultPhoneNumber {{ phoneNumber }}
    defaultAddress {{ countryCodeV2 }}
  }}
  lineItems(first: {LINES_FIRST}) {{ nodes {{ ...Line }} pageInfo {{ hasNextPage endCursor }} }}
  shippingLines(first: 3) {{
    nodes {{
      id title isRemoved
      originalPriceSet {_MONEY}
      discountedPriceSet {_MONEY}
      taxLines {{ title rate priceSet {_MONEY} }}
    }}
  }}
  transactions(first: {TRANSACTIONS_FIRST}) {{ ...Transaction }}
  transactionsCount {{ count }}
  refundIds: refunds {{ id }}
}}
{_LINE}
{_TRANSACTION}"""

ORDERS = f"""
query Orders($first: Int!, $after: String, $query: String) {{
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
    nodes {{ ...Order }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}
{_ORDER}"""

ORDER = f"""
query Order($id: ID!) {{
  order(id: $id) {{ ...Order }}
}}
{_ORDER}"""

ORDER_LINES = f"""
query OrderLines($id: ID!, $first: Int!, $after: String) {{
  order(id: $id) {{
    lineItems(first: $first, after: $after) {{
      nodes {{ ...Line }}
      pageInfo {{ hasNextPage endCursor }}
    }}
  }}
}}
{_LINE}"""

ORDER_TRANSACTIONS = f"""
query OrderTransactions($id: ID!) {{
  order(id: $id) {{ transactions(first: 250) {{ ...Transaction }} }}
}}
{_TRANSACTION}"""

ORDER_REFUNDS = f"""
query OrderRefunds($id: ID!) {{
  order(id: $id) {{
    refunds {{
      id createdAt processedAt note
      refundLineItems(first: 50) {{
        nodes {{
          id quantity restockType
          lineItem {{ id title sku isGiftCard }}
          priceSet {_MONEY}
          subtotalSet {_MONEY}
          totalTaxSet {_MONEY}
        }}
      }}
      refundShippingLines(first: 5) {{
        nodes {{ id subtotalAmountSet {_MONEY} taxAmountSet {_MONEY} }}
      }}
      orderAdjustments(first: 10) {{
        nodes {{ id reason amountSet {_MONEY} taxAmountSet {_MONEY} }}
      }}
      transactions(first: 20) {{ nodes {{ ...Transaction }} }}
    }}
  }}
}}
{_TRANSACTION}"""

_CUSTOMER = """
fragment Customer on Customer {
  id firstName lastName createdAt updatedAt
  defaultEmailAddress { emailAddress }
  defaultPhoneNumber { phoneNumber }
  defaultAddress { company countryCodeV2 }
}"""

CUSTOMERS = f"""
query Customers($first: Int!, $after: String, $query: String) {{
  customers(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
    nodes {{ ...Customer }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}
{_CUSTOMER}"""

CUSTOMER = f"""
query Customer($id: ID!) {{
  customer(id: $id) {{ ...Customer }}
}}
{_CUSTOMER}"""

_BALANCE_TRANSACTION = """
fragment BalanceTransaction on ShopifyPaymentsBalanceTransaction {
  id type test transactionDate sourceId sourceType sourceOrderTransactionId adjustmentReason
  amount { amount currencyCode }
  fee { amount }
  net { amount }
  associatedOrder { id name }
  associatedPayout { id status }
}"""

BALANCE_TRANSACTIONS = f"""
query BalanceTransactions($first: Int!, $after: String, $query: String) {{
  shopifyPaymentsAccount {{
    balanceTransactions(first: $first, after: $after, query: $query, sortKey: PROCESSED_AT) {{
      nodes {{ ...BalanceTransaction }}
      pageInfo {{ hasNextPage endCursor }}
    }}
  }}
}}
{_BALANCE_TRANSACTION}"""

_PAYOUT = """
fragment Payout on ShopifyPaymentsPayout {
  id issuedAt status transactionType
  net { amount currencyCode }
}"""

PAYOUTS = f"""
query Payouts($first: Int!, $after: String, $query: String) {{
  shopifyPaymentsAccount {{
    payouts(first: $first, after: $after, query: $query, sortKey: ISSUED_AT) {{
      nodes {{ ...Payout }}
      pageInfo {{ hasNextPage endCursor }}
    }}
  }}
}}
{_PAYOUT}"""

PAYOUT = f"""
query Payout($id: ID!) {{
  node(id: $id) {{ ...Payout }}
}}
{_PAYOUT}"""

SHOP = "query Shop { shop { name myshopifyDomain currencyCode ianaTimezone } }"
