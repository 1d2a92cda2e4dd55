"""`candlewave lint` and `candlewave render`."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from candlewave.cli import app
from candlewave.core.paths import project_root
from candlewave.core.settings import Settings, get_settings
from candlewave.sqlproject import lint as lint_package
from candlewave.sqlproject import rendered
from candlewave.sqlproject.lint import Finding
from candlewave.sqlproject.render import RenderError, render_objects

runner = CliRunner()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_lint_of_the_shipped_sql() -> None:
    result = runner.invoke(app, ["lint"])
    rules = len(lint_package.RULES)
    assert result.output == f"sql/: no violation of {rules} rules, sql/rendered is up to date\n"
    assert result.exit_code == 0


def test_lint_lists_findings_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [Finding("sql/a.sql.j2", 3, "CW003", "a: selects *"), Finding("sql/b.sql.j2", None, "CW005", "b: frame")]
    monkeypatch.setattr(lint_package, "lint", lambda _config: findings)
    result = runner.invoke(app, ["lint"])
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "sql/a.sql.j2:3: CW003 a: selects *",
        "sql/b.sql.j2: CW005 b: frame",
        "2 violations; `candlewave lint --explain CW003` says why a rule is there",
    ]


def test_lint_explains_a_rule() -> None:
    result = runner.invoke(app, ["lint", "--explain", "cw008"])
    assert result.exit_code == 0
    assert result.output.startswith("CW008: No WATERMARK")
    assert "global" in result.output


def test_lint_knows_its_rules() -> None:
    assert [line.split()[0] for line in runner.invoke(app, ["lint", "--rules"]).output.splitlines()] == list(
        lint_package.RULES
    )
    result = runner.invoke(app, ["lint", "--explain", "CW999"])
    assert (result.exit_code, "there is no rule CW999; rules are CW001" in result.output) == (1, True)


def test_render_prints_what_risingwave_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:9093")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    monkeypatch.setenv("KAFKA_SASL_MECHANISM", "PLAIN")
    monkeypatch.setenv("KAFKA_SASL_USERNAME", "me")
    monkeypatch.setenv("KAFKA_SASL_PASSWORD", "hunter2")
    result = runner.invoke(app, ["render", "trades"])
    assert result.exit_code == 0
    assert "properties.bootstrap.server = 'kafka:9093'" in result.output
    assert "properties.sasl.password = '***'" in result.output
    assert "hunter2" not in result.output
    assert "CREATE TABLE" in result.output
    assert "candles" not in result.output.split("CREATE TABLE")[1]
    assert "'hunter2'" in runner.invoke(app, ["render", "trades", "--show-secrets"]).output


def test_render_without_kafka_leaves_the_parameters() -> None:
    result = runner.invoke(app, ["render", "candles_sink"])
    assert result.exit_code == 0
    assert "${kafka_properties}" in result.stdout
    assert "KAFKA_BOOTSTRAP_SERVERS is not set" in result.stderr


def test_render_prints_what_the_embedded_engine_gets() -> None:
    output = runner.invoke(app, ["render", "trades", "candles_1m_live", "--engine", "embedded"]).output
    assert "PRIMARY KEY (exchange, symbol, trade_id));" in output
    assert "APPEND ONLY" not in output
    assert "first row of a key wins" in output
    assert "filled from topic trades" in output
    assert "DATE_BIN(INTERVAL '1 MINUTE', r.ts" in output
    assert "TUMBLE(" not in output


def test_render_writes_files(tmp_path: Path) -> None:
    result = runner.invoke(app, ["render", "candles", "candles_1m", "--out", str(tmp_path / "sql")])
    assert result.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "sql").iterdir()) == ["candles.sql", "candles_1m.sql"]
    assert (tmp_path / "sql" / "candles.sql").read_text().startswith("-- candles: ")


def test_render_of_an_unknown_object_names_the_known() -> None:
    result = runner.invoke(app, ["render", "candels"])
    assert result.exit_code == 1
    assert "there is no object candels; objects are " in result.output


def test_render_says_what_a_login_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:9093")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    result = runner.invoke(app, ["render", "trades"])
    assert result.exit_code == 1
    assert "SASL_SSL needs KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD" in result.output


def test_stale_rendered_files_are_named_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "sql"
    shutil.copytree(project_root() / "sql", copy)
    monkeypatch.setattr(rendered, "project_root", lambda: tmp_path)
    assert runner.invoke(app, ["render", "--write"]).output == "sql/rendered is up to date\n"
    template = copy / "sources" / "symbols.sql.j2"
    template.write_text(template.read_text().replace("quote VARCHAR,", "quote VARCHAR,\n    listed BOOLEAN,"))
    (copy / "rendered" / "candles.sql").unlink()
    (copy / "rendered" / "left_over.sql").write_text("SELECT 1;\n")
    stale = ["sql/rendered/candles.sql", "sql/rendered/left_over.sql", "sql/rendered/symbols.sql"]
    result = runner.invoke(app, ["lint"])
    assert result.exit_code == 1
    assert f"{', '.join(stale)}: run `make render`" in result.output
    assert runner.invoke(app, ["render", "--write"]).output.splitlines() == stale
    assert rendered.stale_files() == []
    assert "listed BOOLEAN" in (copy / "rendered" / "symbols.sql").read_text()


def test_tables_of_the_documentation_are_written_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("sql", "docs"):
        shutil.copytree(project_root() / folder, tmp_path / folder)
    monkeypatch.setattr(rendered, "project_root", lambda: tmp_path)
    assert rendered.stale_files() == []
    views, features = tmp_path / "docs" / "views.md", tmp_path / "docs" / "features.md"
    written = {path: path.read_text() for path in (views, features)}
    views.unlink()
    features.write_text(written[features].replace("relative strength index", "something"))
    assert rendered.write_rendered() == ["docs/features.md", "docs/views.md"]
    assert {path: path.read_text() for path in (views, features)} == written
    assert "| `is_filled` | no trade: the last close goes on |" in written[views]
    features.write_text("# Features")
    with pytest.raises(RenderError, match="'# Features' lacks <!-- written by `make render` -->"):
        rendered.stale_files()


def test_rendered_files_are_read_back_as_they_were_written() -> None:
    objects = {o.name: o.text for o in render_objects(rendered.CONFIG)}
    assert {name: o.text for name, o in rendered.read_rendered().items()} == objects


@pytest.mark.parametrize("text", ["SELECT 1;", "-- a: b.\nCREATE VIEW a AS SELECT 1;"])
def test_a_file_that_is_no_object_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.sql").write_text(text)
    with pytest.raises(RenderError, match=r"a\.sql: "):
        rendered.read_rendered(tmp_path)


def test_render_write_takes_no_other_option() -> None:
    result = runner.invoke(app, ["render", "candles", "--write"])
    assert (result.exit_code, "give it no other option" in result.output) == (1, True)
