"""What makes two texts of an object the same."""

import pytest

from candlewave.sqlproject.fingerprint import fingerprint
from candlewave.sqlproject.render import from_text

TEXT = """\
-- m: a view.
-- grain: one row per symbol
-- keys: symbol
-- event time: none
-- late data: amends
-- footprint:
--   t by symbol: all
-- readers: a
CREATE MATERIALIZED VIEW m AS
SELECT symbol, 'a  b' AS label, count(*) AS n FROM t GROUP BY symbol
"""


def changed(old: str, new: str) -> bool:
    assert old in TEXT
    return fingerprint(from_text(TEXT)) != fingerprint(from_text(TEXT.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-- m: a view.", "-- m: a better view."),
        ("-- readers: a", "-- readers: a, b"),
        ("SELECT symbol,", "SELECT\n    symbol, -- the market\n   "),
        ("count(*) AS n", "count( * )   AS n"),
        ("GROUP BY symbol\n", "GROUP BY symbol;\n"),
    ],
)
def test_comments_and_layout_do_not_count(old: str, new: str) -> None:
    assert not changed(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'a  b'", "'a b'"),
        ("count(*)", "count(n)"),
        ("AS n", "AS N"),
        ("-- keys: symbol", "-- keys: symbol, n"),
        ("t by symbol: all", "t: full"),
        ("-- event time: none", "-- event time: n"),
    ],
)
def test_meaning_counts(old: str, new: str) -> None:
    assert changed(old, new)


def test_fingerprint_never_changes_between_versions() -> None:
    """Databases keep it: another value for the same text would rebuild every object of every installation."""
    assert fingerprint(from_text(TEXT)) == "692c55481e38981aa7717f0413334eb17741c760bac16fb378552c75c7cb2c2d"


def test_parameters_are_part_of_the_text_and_their_values_are_not() -> None:
    sink = (
        "-- s: a sink.\n-- grain: x\n-- keys: symbol\n-- event time: none\n-- late data: x\n-- readers: x\n"
        "CREATE SINK s FROM m WITH (connector = 'kafka', topic = '${topic_prefix}s') FORMAT PLAIN ENCODE JSON\n"
    )
    assert fingerprint(from_text(sink)) != fingerprint(from_text(sink.replace("${topic_prefix}", "")))
