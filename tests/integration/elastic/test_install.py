"""`candlewave migrate --search`: what is installed, what a second run does, and errors in words."""

import pytest
from tests.fakes.elasticsearch import FakeElasticsearch

from candlewave.core.config import Config
from candlewave.core.settings import Settings
from candlewave.elastic.client import SearchError, address, open_client
from candlewave.elastic.indices import INDICES, POLICY
from candlewave.elastic.install import install
from candlewave.elastic.settings import SearchSettings
from candlewave.sqlproject.render import render_objects


def settings(url: str | None) -> Settings:
    return Settings(ELASTICSEARCH_URL=url)  # type: ignore[call-arg,arg-type]


def run(server: FakeElasticsearch, **days: int) -> tuple[int, list[str]]:
    lines: list[str] = []
    with open_client(settings(server.url)) as client:
        return install(client, SearchSettings(**days), lines.append), lines  # type: ignore[arg-type]


def test_first_run_installs_all_and_second_changes_nothing() -> None:
    with FakeElasticsearch() as server:
        changed, lines = run(server)
        assert changed == 4
        assert lines == [
            "lifecycle policy candlewave: installed",
            "index template candlewave-predictions: installed",
            "index template candlewave-prediction-errors: installed",
            "index template candlewave-alerts: installed",
        ]
        changed, lines = run(server)
        assert changed == 0
        assert {line.rpartition(": ")[2] for line in lines} == {"as it should be"}


def test_days_reach_the_lifecycle_and_a_change_is_installed() -> None:
    with FakeElasticsearch() as server:
        run(server, SEARCH_HOT_DAYS=3, SEARCH_DELETE_DAYS=30)
        phases = server.policies[POLICY]["phases"]
        assert (phases["warm"]["min_age"], phases["delete"]["min_age"]) == ("3d", "30d")
        changed, lines = run(server, SEARCH_HOT_DAYS=3, SEARCH_DELETE_DAYS=60)
        assert changed == 1
        assert lines[0] == "lifecycle policy candlewave: changed"
        assert server.policies[POLICY]["phases"]["delete"]["min_age"] == "60d"


def test_every_column_of_a_sink_has_a_mapping_and_back() -> None:
    """The templates cannot fall behind SQL without this failing."""
    objects = {o.name: o for o in render_objects(Config())}
    for index in INDICES:
        sink = objects[index.sink]
        view = objects[sink.statement.relation or ""]
        columns = view.columns if hasattr(view, "columns") else _columns(view.text)
        assert set(index.fields) | {"index_name"} == set(columns), index.name


def _columns(text: str) -> list[str]:
    import sqlglot

    tree = sqlglot.parse_one("\n".join(x for x in text.splitlines() if not x.startswith("--")), read="risingwave")
    return tree.expression.named_selects  # type: ignore[attr-defined,no-any-return]


def test_templates_match_their_indices_only() -> None:
    import fnmatch

    for index in INDICES:
        matching = [i.name for i in INDICES if fnmatch.fnmatch(f"{i.name}-2026.03.02", index.pattern)]
        assert matching == [index.name]


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (FakeElasticsearch("7.17.0"), "Elasticsearch is version 7.17.0; candlewave needs 8 or later"),
        (FakeElasticsearch(product=False), "what answers at ELASTICSEARCH_URL is not Elasticsearch"),
        (FakeElasticsearch(password="right"), "answered 401, missing authentication credentials"),
    ],
)
def test_a_server_that_cannot_be_used_is_named(server: FakeElasticsearch, words: str) -> None:
    with server, pytest.raises(SearchError, match=words):
        run(server)


def test_password_of_the_address_is_used_and_not_shown() -> None:
    with FakeElasticsearch(password="p@ss") as server:
        url = server.url.replace("http://", "http://elastic:p%40ss@")
        with open_client(settings(url)) as client:
            assert install(client, SearchSettings.load()) == 4
        assert address(settings(url)) == server.url


def test_nobody_there_and_no_address() -> None:
    with FakeElasticsearch() as server:
        gone = server.url
    with open_client(settings(gone)) as client, pytest.raises(SearchError, match="cannot be reached"):
        install(client, SearchSettings.load())
    with pytest.raises(SearchError, match="ELASTICSEARCH_URL is not set"):
        open_client(settings(None))


def test_days_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="SEARCH_DELETE_DAYS is 5, it must be more than SEARCH_HOT_DAYS, 7"):
        SearchSettings(SEARCH_DELETE_DAYS=5)  # type: ignore[call-arg]
