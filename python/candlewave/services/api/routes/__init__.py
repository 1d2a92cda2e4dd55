"""The endpoints of /v1: a module per subject, with its parameters, SQL and documents, found by its ``routes``."""
