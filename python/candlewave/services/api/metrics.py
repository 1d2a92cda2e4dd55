"""Metrics of the predictions API."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("candlewave_api_requests_total", "Answered requests", ["method", "route", "status"])
DURATION = Histogram(
    "candlewave_api_request_duration_seconds",
    "Time from the request's head to the end of its answer; live streams are left out",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
STREAM_CLIENTS = Gauge("candlewave_api_stream_clients", "Clients of the live stream")
STREAM_EVENTS = Counter("candlewave_api_stream_events_total", "Live events made, before they go to clients", ["kind"])
STREAM_DROPPED = Counter(
    "candlewave_api_stream_dropped_clients_total", "Clients of the live stream that read too slowly"
)
REFUSED_CONNECTIONS = Counter(
    "candlewave_api_refused_connections_total",
    "Connections that were ended: malformed, head-too-large, too-slow (a request), idle, stalled (takes no answer)",
    ["reason"],
)
RATE_LIMITED = Counter("candlewave_api_rate_limited_requests_total", "Requests refused because there are too many")
CACHE = Counter("candlewave_api_cache_hits_total", "Look-ups in memory by outcome: hit, shared, miss", ["outcome"])
REFUSED_KEYS = Counter("candlewave_api_refused_keys_total", "Requests with a key that does not hold", ["reason"])
