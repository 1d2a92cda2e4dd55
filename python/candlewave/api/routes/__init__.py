"""The endpoints of /v1, by subject. A route reads rows, shapes them, and answers; SQL is in candlewave.api.queries."""
