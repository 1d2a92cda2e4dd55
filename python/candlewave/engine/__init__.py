"""The SQL engine: how to reach it, the embedded one, and how its objects get there."""
