"""Elasticsearch: where forecasts, their outcomes and alerts are kept for long, and searched."""
