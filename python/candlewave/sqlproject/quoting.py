"""Names, strings and statements as SQL text."""

from psycopg import sql


def quote_string(value: str) -> str:
    """Return a value as an SQL string."""
    return "'" + value.replace("'", "''") + "'"


def quote_name(*parts: str) -> str:
    """Return a name, with its schema if given, in double quotes."""
    return ".".join(f'"{part}"' for part in parts)


def trusted(text: str) -> sql.SQL:
    """Mark text of the project's own templates as SQL; input of users must never be in it."""
    return sql.SQL(text)
