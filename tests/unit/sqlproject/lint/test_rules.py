"""Each rule catches the models that violate it, and nothing else; the shipped SQL is clean.

``models/<code>/`` holds models that violate exactly that rule; what they read is in ``models/base/``. Those in
``stars/`` are clean.
"""

import shutil
from pathlib import Path

import pytest

from candlewave.core.config import Config, load_config
from candlewave.sqlproject.lint import RULES, lint

MODELS = Path(__file__).parent / "models"
STARS = sorted((Path(__file__).parent / "stars").iterdir())
VIOLATING = sorted(path for path in MODELS.rglob("*.sql.j2") if path.parent.name != "base")


def lint_with_base(model: Path, folder: Path) -> list[tuple[str, str]]:
    for path in [*sorted((MODELS / "base").iterdir()), model]:
        shutil.copy(path, folder / path.name)
    findings = lint(Config(), folder)
    return [(f.code, f.text) for f in findings if f.path in (f"sql/{model.name}", "sql")]


@pytest.mark.parametrize("model", VIOLATING, ids=[f"{path.parent.name}/{path.name[:-7]}" for path in VIOLATING])
def test_rule_catches_the_model(model: Path, tmp_path: Path) -> None:
    findings = lint_with_base(model, tmp_path)
    assert {code for code, _ in findings} == {model.parent.name}, findings


def test_every_rule_has_a_model_that_violates_it() -> None:
    assert {path.parent.name for path in VIOLATING} == set(RULES)


def test_the_models_that_others_read_are_clean(tmp_path: Path) -> None:
    for path in (MODELS / "base").iterdir():
        shutil.copy(path, tmp_path / path.name)
    assert lint(Config(), tmp_path) == []


@pytest.mark.parametrize("model", STARS, ids=[path.name[:-7] for path in STARS])
def test_stars_inside_are_fine(model: Path, tmp_path: Path) -> None:
    assert lint_with_base(model, tmp_path) == []


def test_shipped_sql_is_clean() -> None:
    assert [str(finding) for finding in lint(load_config())] == []


def test_every_rule_gives_its_reason() -> None:
    for code, rule in RULES.items():
        assert rule.code == code
        assert len((rule.__doc__ or "").strip().splitlines()) >= 3, code


@pytest.mark.parametrize("footprint", ["", "-- footprint:\n--   ticks by symbol: ts -> ts [0, 0]\n"])
def test_a_plain_view_that_a_sink_reads_has_a_footprint(footprint: str, tmp_path: Path) -> None:
    for path in (MODELS / "base").iterdir():
        shutil.copy(path, tmp_path / path.name)
    keys = "-- keys: exchange, symbol, tick_id\n-- event time: ts\n-- late data: follows\n"
    header = "-- {}: test.\n-- grain: one row per tick\n" + keys
    (tmp_path / "sent.sql.j2").write_text(
        header.format("sent") + footprint + "-- readers: sent_sink\nCREATE VIEW sent AS\n"
        "SELECT exchange, symbol, tick_id, ts FROM ticks\n"
    )
    (tmp_path / "sent_sink.sql.j2").write_text(
        header.format("sent_sink") + "-- readers: people\nCREATE SINK sent_sink FROM sent\n"
        "WITH (connector = 'kafka', topic = 'sent', primary_key = 'exchange,symbol,tick_id')"
        " FORMAT UPSERT ENCODE JSON\n"
    )
    found = [(f.code, f.text) for f in lint(Config(), tmp_path) if f.path != "sql/ticks.sql.j2"]
    assert found == ([] if footprint else [("CW023", "sent: input ticks has no footprint")])
