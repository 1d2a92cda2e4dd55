"""Metrics of the embedded engine's connector to Elasticsearch."""

from prometheus_client import Counter, Gauge

DOCUMENTS = Counter("candlewave_search_documents_total", "Documents that were sent", ["index", "outcome"])
RETRIES = Counter("candlewave_search_retries_total", "Batches that have to be sent again")
WAITING = Gauge("candlewave_search_waiting_documents", "Documents in the outbox that were not delivered yet")
