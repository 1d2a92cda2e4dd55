"""Golden cases: rows that arrive, and the rows that a view must show afterwards; docs/golden-tests.md."""
