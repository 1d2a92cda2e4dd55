"""Read the templates in ``sql/``: render, headers, dependency order, lint, plans."""
