"""Whatever stands in ``candlewave.toml`` or a setting, SQL says the same: a value is a value, no part of a statement.

Templates are rendered with attacks in every place that takes text, and compared, token by token, with harmless words.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import ValidationError
from sqlglot import tokenize
from sqlglot.tokens import TokenType
from tests.worlds.attacks import EVERYTHING

from candlewave.core.config import Config
from candlewave.core.errors import CandlewaveError
from candlewave.core.settings import Settings
from candlewave.sqlproject.catalog.features import FeatureCatalog
from candlewave.sqlproject.parameters import fill
from candlewave.sqlproject.render import SqlObject, parse_query, render_objects

Shape = list[tuple[TokenType, str]]

SETTINGS: dict[str, str] = {
    "RISINGWAVE_URL": "postgresql://root@db:4566/dev",
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "KAFKA_TOPIC_PREFIX": "x",
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "PLAIN",
    "KAFKA_SASL_USERNAME": "candlewave",
    "KAFKA_SASL_PASSWORD": "kafka-password",
    "KAFKA_SSL_CA_LOCATION": "/etc/ca.pem",
    "ELASTICSEARCH_URL": "http://writer:elastic-password@elastic:9200",
}
PLACES = {
    "exchange": "venue{}",
    "symbol": "AB{}/USD",
    "base": "AB{}",
    "timeframe": "5m",
    "default_exchange": "kraken",
    "project": "name {}",
    "retention": "365 days",
    "monitor": "rule {}",
    "name": "spread_{}",
    "sql": "high - low",
    "range": "0..1",
    "meaning": "what it means, {}",
}
"""Everything in ``candlewave.toml`` that takes text, with something harmless; the last four are a feature's."""
OWN_SQL = (
    "high - low -- x",
    "high /* x */ - low",
    "high - low) FROM candles; DROP TABLE trades; --",
    "high) + (low",
    "(SELECT max(close) FROM candles)",
    "high - low AS other",
    "high, low",
    "E'\\047'",
    "$$high$$",
    "close FROM candles",
    "trades.close",
)
"""What an expression over a bar must not be."""


def _config(place: str, texts: Sequence[str]) -> dict[str, Any]:
    """Return a configuration with texts in one place, as many at once as it takes."""
    venues: dict[str, Any] = {"venue": {"symbols": ["BTC/USD", "ETH/USD"]}}
    own = {"name": "spread", "sql": "high - low", "range": "0..1", "meaning": "harmless"}
    made: dict[str, Any] = {"exchanges": venues, "features": {"own": [own]}}
    match place:
        case "exchange":
            venues |= {text: {"symbols": ["BTC/USD"]} for text in texts}
        case "symbol":
            venues["venue"]["symbols"] = [*texts]
        case "base":
            venues["venue"]["symbols"] = [f"{text}/USD" for text in texts]
        case "timeframe":
            made["candles"] = {"timeframes": ["1m", *texts]}
        case "default_exchange":
            made["default_exchange"] = texts[-1]
        case "project":
            made["project"] = {"name": texts[-1]}
        case "retention":
            made["retention"] = {"trades": texts[-1]}
        case "monitor":
            made["monitor"] = {text: text for text in texts}
        case _:
            # Of each feature the name tells which it is.
            made["features"]["own"] = [{**own, "name": f"spread_{n}", place: text} for n, text in enumerate(texts)]
    return made


def _accepted(made: dict[str, Any]) -> bool:
    try:
        FeatureCatalog(Config.model_validate(made)).of_bars  # noqa: B018 (reads the features, which may be refused)
    except (ValidationError, CandlewaveError):
        return False
    return True


def _shapes(made: dict[str, Any]) -> dict[str, Shape]:
    """Return the tokens of each object's statement, filled in as a deployment does it."""
    settings = Settings(**SETTINGS)  # type: ignore[arg-type]
    return {o.name: _shape(fill(o.text, settings)) for o in render_objects(Config.model_validate(made))}


def _shape(text: str) -> Shape:
    """Return tokens without what strings say and names are: columns are named after exchanges."""
    return [
        (token.token_type, "" if token.token_type in (TokenType.STRING, TokenType.VAR) else token.text)
        for token in tokenize(text, read="postgres")
    ]


def test_every_place_takes_something_harmless() -> None:
    assert [place for place, text in PLACES.items() if not _accepted(_config(place, [text.format(1)]))] == []


@pytest.mark.parametrize("place", sorted(PLACES.keys() - {"name", "sql"}))
def test_configuration_changes_no_statement(place: str) -> None:
    texts = [text for text in EVERYTHING if _accepted(_config(place, [text]))]
    if not texts:
        return
    harmless = _shapes(_config(place, [PLACES[place].format(n) for n in range(len(texts))]))
    found = _shapes(_config(place, texts))
    assert found.keys() == harmless.keys()
    assert {name for name, shape in found.items() if shape != harmless[name]} == set(), texts


def test_words_of_sql_name_no_feature() -> None:
    names = ["null", "true", "false", "select", "from", "current_date", "session_user", *EVERYTHING]
    assert [name for name in names if _accepted(_config_of(name=name))] == []


@pytest.mark.parametrize("text", OWN_SQL)
def test_a_feature_is_one_expression_over_a_bar(text: str) -> None:
    assert not _accepted(_config_of(sql=text))


def test_an_expression_of_another_shape_changes_only_itself() -> None:
    """What is accepted from the corpus of attacks is a constant: the statement around it stays as it is."""
    texts = [text for text in EVERYTHING if _accepted(_config_of(sql=text))]
    assert "null" in texts
    outputs = _outputs(_config("sql", [PLACES["sql"]] * len(texts)))
    assert _outputs(_config("sql", texts)) == outputs


def _config_of(**feature: str) -> dict[str, Any]:
    made = _config("meaning", ["harmless"])
    made["features"]["own"][0] |= feature
    return made


def _outputs(made: dict[str, Any]) -> dict[str, tuple[object, ...]]:
    """Return what each object reads, and the names of its columns in order."""

    def of(sql_object: SqlObject) -> tuple[object, ...]:
        query = sql_object.statement.query
        return sorted(sql_object.inputs), None if query is None else parse_query(query).named_selects

    return {o.name: of(o) for o in render_objects(Config.model_validate(made))}


@pytest.mark.parametrize("name", sorted(SETTINGS.keys() - {"RISINGWAVE_URL"}))
def test_settings_change_no_statement(name: str) -> None:
    """Each is a property of a connector, and only that; topic prefix and addresses refuse what is neither."""
    template = (
        "CREATE TABLE t (id VARCHAR PRIMARY KEY) WITH (topic = '${topic_prefix}t', ${kafka_properties},"
        " ${elasticsearch_properties})"
    )

    def shape(**more: str) -> Shape:
        return _shape(fill(template, Settings(**{**SETTINGS, **more})))  # type: ignore[arg-type]

    harmless = shape()
    for text in EVERYTHING:
        login = quote(text.encode(errors="replace"), "")
        value = f"http://{login}:{login}@elastic:9200" if name == "ELASTICSEARCH_URL" else text
        try:
            found = shape(**{name: value})
        except (ValidationError, CandlewaveError):
            continue
        # A protocol without a login has fewer properties.
        if name != "KAFKA_SECURITY_PROTOCOL":
            assert found == harmless, text
        else:
            assert {kind for kind, _ in found} <= {kind for kind, _ in harmless}, text
