"""Metrics of everything that brings trades in; each process shows those it uses."""

from prometheus_client import Counter, Gauge

PUBLISHED = Counter("candlewave_ingest_published_trades_total", "Trades published", ["exchange", "symbol", "origin"])
PUBLISHED_CANDLES = Counter(
    "candlewave_ingest_published_candles_total", "Candles of history published", ["exchange", "symbol", "source"]
)
HEARTBEATS = Counter("candlewave_ingest_published_heartbeats_total", "Heartbeats published", ["exchange"])
REJECTED = Counter(
    "candlewave_ingest_rejected_records_total",
    "Records refused: put on the dead-letter topic, or kept in trades_rejected (id_used_before)",
    ["reason"],
)
RECONNECTS = Counter("candlewave_ingest_reconnects_total", "Reconnections of a feed", ["exchange"])
DROPPED = Gauge(
    "candlewave_ingest_dropped_symbols",
    "1 while a symbol is left out because its exchange does not trade it or refuses it",
    ["exchange", "symbol"],
)
REFUSED = Counter(
    "candlewave_ingest_refused_symbols_total",
    "Times an exchange did not know or refused a symbol",
    ["exchange", "symbol"],
)
FILLED = Counter("candlewave_ingest_filled_trades_total", "Trades fetched to fill holes", ["exchange", "symbol"])
HOLES = Counter("candlewave_ingest_holes_total", "Holes found in a live feed", ["exchange", "symbol"])
OPEN_HOLES = Gauge("candlewave_ingest_open_holes", "Holes that are not filled yet", ["exchange"])
RATE_LIMITED = Counter(
    "candlewave_ingest_rate_limited_requests_total",
    "Requests the exchange refused because there are too many",
    ["exchange"],
)
QUEUED = Gauge("candlewave_ingest_queued_records", "Records waiting to be published")
LAG = Gauge(
    "candlewave_ingest_receive_lag_seconds",
    "Receipt less event time of the newest trade",
    ["exchange", "symbol"],
)
LAST_TRADE = Gauge(
    "candlewave_ingest_last_trade_timestamp_seconds",
    "Event time of the newest trade",
    ["exchange", "symbol"],
)
CONNECTED = Gauge("candlewave_ingest_connected_feeds", "1 while the exchange's feed is alive", ["exchange"])
OWNED = Gauge("candlewave_ingest_owned_symbols", "Symbols this replica takes in", ["exchange"])
SILENT = Gauge(
    "candlewave_ingest_silent_symbols",
    "1 while nothing shows that a symbol is served, or its subscription misses trades",
    ["exchange", "symbol"],
)
LAST_EVIDENCE = Gauge(
    "candlewave_ingest_last_evidence_timestamp_seconds",
    "Newest moment at which a symbol was served: its trade, the answer to its subscription, a poll",
    ["exchange", "symbol"],
)
RESUBSCRIBED = Counter("candlewave_ingest_resubscriptions_total", "Silent symbols subscribed to again", ["exchange"])
POLLS = Counter("candlewave_ingest_polls_total", "Polls of the newest trades of quiet symbols", ["exchange", "outcome"])
CLOCK_SKEW = Gauge(
    "candlewave_ingest_clock_skew_seconds",
    "This host's clock less the exchange's; negative when the host is behind",
    ["exchange"],
)
