"""The indicator layer: constants for its SQL, the catalog, an independent oracle and the audit service."""
