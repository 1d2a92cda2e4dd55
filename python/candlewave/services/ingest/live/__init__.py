"""Live trades: what exchanges send becomes an unbroken, validated sequence on the bus.

Per exchange one connection is watched; when it breaks, another is made, after pauses that grow. A symbol that the
exchange refuses is left out alone and tried again ever more rarely. A jump in a market's running trade ids, or a
reconnect of an exchange without them, is a *hole*: it is written to the ledger before the first trade after it is
published, and filled over REST. So nothing is lost by a crash at any moment, and what comes twice has the same id.
"""
