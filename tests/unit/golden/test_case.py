"""Golden cases on disk."""

from pathlib import Path

import pytest

from candlewave.engine.golden.case import find_cases, load_case
from candlewave.engine.golden.table import CaseError


def make(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("# a story\n")
    return folder


def test_files_become_steps_in_order(tmp_path: Path) -> None:
    folder = make(tmp_path / "candles" / "late", "README.md", "01-trades.csv", "02-trades.csv", "02-expected.csv")
    case = load_case(folder)
    assert case.id == "candles/late"
    assert [(s.number, sorted(s.inputs), s.expected is not None) for s in case.steps] == [
        (1, ["trades"], False),
        (2, ["trades"], True),
    ]
    assert case.given == {"trades"}


def test_cases_are_found_by_folder(tmp_path: Path) -> None:
    for name in ("b/two", "a/one", "__pycache__/no", ".hidden/no"):
        make(tmp_path / name)
    assert [f"{f.parent.name}/{f.name}" for f in find_cases(tmp_path)] == ["a/one", "b/two"]


def test_a_case_needs_its_story(tmp_path: Path) -> None:
    folder = make(tmp_path / "candles" / "x", "01-trades.csv", "01-expected.csv")
    with pytest.raises(CaseError, match=r"README\.md must tell"):
        load_case(folder)


def test_a_file_of_another_name_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "candles" / "x", "README.md", "01-trades.csv", "1-expected.csv")
    with pytest.raises(CaseError, match=r"1-expected\.csv: expected NN-<relation>.csv"):
        load_case(folder)


def test_the_last_step_must_expect_something(tmp_path: Path) -> None:
    folder = make(tmp_path / "candles" / "x", "README.md", "01-expected.csv", "02-trades.csv")
    with pytest.raises(CaseError, match=r"the last step needs a file NN-expected\.csv"):
        load_case(folder)


def test_a_case_may_have_its_own_configuration(tmp_path: Path) -> None:
    folder = make(tmp_path / "candles" / "x", "README.md", "01-expected.csv")
    assert load_case(folder).config().candles.max_fill_minutes == 240
    (folder / "candlewave.toml").write_text("[candles]\nmax_fill_minutes = 3\n")
    config = load_case(folder).config()
    assert config.candles.max_fill_minutes == 3
    assert config.candles.grace_seconds == 2


def test_defaults_of_a_partial_configuration_are_the_shipped_ones() -> None:
    from candlewave.core.config import Config, load_config
    from candlewave.rules import monitor_config

    shipped = load_config()
    markets = {"default_exchange": shipped.default_exchange, "exchanges": shipped.exchanges, "costs": shipped.costs}
    partial = Config.model_validate(markets)
    assert monitor_config(partial) == monitor_config(shipped)
    assert partial.model_copy(update={"monitor": shipped.monitor}) == shipped
