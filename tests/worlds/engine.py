"""Databases of an embedded server, and what ``sql/`` defines in them."""

import itertools
from collections.abc import Callable, Collection, Iterable

import psycopg
from psycopg import sql

from candlewave.bus.postgres import PostgresBus
from candlewave.contracts.topics import TOPICS
from candlewave.core.config import Config
from candlewave.engine.connect import connect_url
from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.server import EmbeddedServer
from candlewave.sqlproject.ddl import Kind
from candlewave.sqlproject.render import render_objects


class Databases:
    """Databases of one server. What takes long to make is made once, and copied after that."""

    def __init__(self, server: EmbeddedServer) -> None:
        self._url = server.url
        self._numbers = itertools.count(1)
        self._templates: dict[str, str] = {}

    def create(self, template: str = "template0") -> str:
        """Make a database, empty or as a copy, and return its URL."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self._url, autocommit=True) as conn:
            conn.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        return self._url.rsplit("/", 1)[0] + "/" + name

    def drop(self, url: str) -> None:
        """Remove a database together with its sessions."""
        with psycopg.connect(self._url, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(_name(url))))

    def copy(self, key: str, fill: Callable[[str], None]) -> str:
        """Return the URL of a copy of the database that ``fill`` makes of an empty one when a key is new."""
        if key not in self._templates:
            url = self.create()
            fill(url)
            self._templates[key] = _name(url)
        return self.create(self._templates[key])

    def engine(self, config: Config) -> str:
        """Return the URL of a new database with the bus and every table and view of ``sql/``."""

        def fill(url: str) -> None:
            with PostgresBus(url) as bus, connect_url(url) as conn:
                bus.install()
                bus.ensure_topics(TOPICS.values())
                install(conn, config)

        return self.copy(config.model_dump_json(), fill)


def _name(url: str) -> str:
    return url.rsplit("/", 1)[1]


def install(
    conn: psycopg.Connection,
    config: Config,
    *,
    layers: Collection[str] = (),
    without: Collection[str] = (),
    extra: Iterable[str] = (),
) -> None:
    """Create what ``sql/`` defines, but no sink.

    Args:
        conn: to an empty database, in autocommit mode.
        config: what is rendered.
        layers: folders of ``sql/`` to take; empty means all.
        without: names of objects to leave out.
        extra: RisingWave text of views of the test's own, made last.
    """
    conn.execute("SET timezone = 'UTC'")
    catalog.install(conn)
    for found in render_objects(config):
        if found.kind is Kind.SINK or found.name in without or (layers and found.layer not in layers):
            continue
        catalog.apply(conn, found.text.replace("${topic_prefix}", ""))
    for text in extra:
        catalog.apply(conn, text)
