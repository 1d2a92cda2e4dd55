"""The reader of RisingWave DDL."""

import pytest

from candlewave.sqlproject.ddl import Column, DdlError, Kind, parse_statement, plain_table

TRADES = """
-- a comment with 'a quote
CREATE TABLE trades (
    exchange VARCHAR,
    price double precision,  -- the price
    tags VARCHAR[],
    PRIMARY KEY (exchange, price)
) APPEND ONLY
ON CONFLICT DO NOTHING
INCLUDE timestamp AS ingest_ts
INCLUDE offset AS position_in_topic
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}trades',
    ${kafka_properties},
    scan.startup.mode = 'earliest',
) FORMAT PLAIN ENCODE JSON (timestamptz.handling.mode = 'milli');
"""


def test_a_table_with_connector_is_read_in_full() -> None:
    table = parse_statement(TRADES)
    assert (table.kind, table.name, table.primary_key) == (Kind.TABLE, "trades", ("exchange", "price"))
    assert table.columns == (
        Column("exchange", "VARCHAR"),
        Column("price", "DOUBLE PRECISION"),
        Column("tags", "VARCHAR[]"),
        Column("ingest_ts", "TIMESTAMPTZ"),
        Column("position_in_topic", "VARCHAR"),
    )
    assert (table.append_only, table.on_conflict) == (True, "DO NOTHING")
    assert table.includes == {"timestamp": "ingest_ts", "offset": "position_in_topic"}
    assert table.connector is not None
    assert table.connector.topic == "${topic_prefix}trades"
    assert table.connector.properties["scan.startup.mode"] == "earliest"
    assert (table.connector.format, table.connector.encode) == ("PLAIN", "JSON")


def test_a_table_without_its_connector_keeps_key_and_conflict_rule() -> None:
    assert plain_table(parse_statement(TRADES), schema="golden") == (
        'CREATE TABLE golden.trades ("exchange" VARCHAR, "price" DOUBLE PRECISION, "tags" VARCHAR[],'
        ' "ingest_ts" TIMESTAMPTZ, "position_in_topic" VARCHAR, PRIMARY KEY (exchange, price))'
        " APPEND ONLY ON CONFLICT DO NOTHING"
    )


def test_a_quoted_column_may_be_a_word_of_sql() -> None:
    table = parse_statement('CREATE TABLE t (id VARCHAR PRIMARY KEY, "values" JSONB)')
    assert table.columns[1] == Column("values", "JSONB")
    assert plain_table(table) == 'CREATE TABLE t ("id" VARCHAR, "values" JSONB, PRIMARY KEY (id))'


def test_a_key_may_stand_beside_its_column() -> None:
    table = parse_statement("CREATE TABLE t (id VARCHAR PRIMARY KEY, n INT)")
    assert (table.primary_key, table.columns[0]) == (("id",), Column("id", "VARCHAR"))


@pytest.mark.parametrize(
    ("clause", "meaning"),
    [("DO NOTHING", "DO NOTHING"), ("OVERWRITE", "OVERWRITE"), ("DO UPDATE FULL", "OVERWRITE")],
)
def test_conflict_rules(clause: str, meaning: str) -> None:
    assert parse_statement(f"CREATE TABLE t (id INT PRIMARY KEY) ON CONFLICT {clause}").on_conflict == meaning


def test_views_keep_their_query_as_written() -> None:
    view = parse_statement("CREATE MATERIALIZED VIEW v AS\nSELECT a  -- why\nFROM t;\n")
    assert (view.kind, view.name, view.query) == (Kind.MATERIALIZED_VIEW, "v", "SELECT a  -- why\nFROM t")
    assert parse_statement("create view v as select 1 as a").kind is Kind.VIEW


def test_a_sink_names_what_it_sends() -> None:
    sink = parse_statement(
        "CREATE SINK s FROM v WITH (connector = 'kafka', topic = 'it''s', primary_key = 'a,b')"
        " FORMAT UPSERT ENCODE JSON"
    )
    assert (sink.kind, sink.relation) == (Kind.SINK, "v")
    assert sink.connector is not None
    assert sink.connector.properties == {"connector": "kafka", "topic": "it's", "primary_key": "a,b"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("DROP TABLE t", "line 1: found 'DROP', expected CREATE"),
        ("CREATE INDEX i ON t (a)", "expected TABLE, MATERIALIZED VIEW, VIEW or SINK"),
        ("CREATE TABLE t (a)", r"found '\)', expected a type for column a"),
        ("CREATE TABLE t (a INT) ON CONFLICT DO UPDATE IF NOT NULL", "found 'IF', expected FULL"),
        ("CREATE TABLE t (a INT) INCLUDE header AS h", "expected INCLUDE of timestamp, key, partition, offset"),
        ("CREATE TABLE t (a INT)\nAPPEND ONLY\nELSE", "line 3: found 'ELSE', expected the end of the statement"),
        ("CREATE TABLE 1t (a INT)", "expected a name"),
        ("CREATE VIEW v AS ;", "expected a query"),
        ("CREATE SINK s AS SELECT 1", "expected FROM <relation>"),
        ("CREATE TABLE t (a INT) WITH (connector 'kafka')", "expected ="),
        ("CREATE MATERIALIZED VIEW v AS SELECT a FROM t EMIT ON WINDOW CLOSE", "v: EMIT ON WINDOW CLOSE drops late"),
        ("CREATE", "found the end"),
    ],
)
def test_what_is_not_understood_is_an_error_with_its_place(text: str, message: str) -> None:
    with pytest.raises(DdlError, match=message):
        parse_statement(text)


def test_a_connector_without_a_topic_says_so() -> None:
    sink = parse_statement("CREATE SINK s FROM v WITH (connector = 'elasticsearch', url = 'x')")
    assert sink.connector is not None
    with pytest.raises(DdlError, match="connector 'elasticsearch' has no topic"):
        _ = sink.connector.topic
