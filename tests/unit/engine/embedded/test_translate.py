import pytest

from candlewave.engine.embedded.translate import TranslationError, translate_query


def test_tumble_becomes_date_bin_on_the_epoch() -> None:
    text = translate_query("SELECT window_start AS t FROM TUMBLE(trades, ts, INTERVAL '5 minutes')")
    assert "DATE_BIN(INTERVAL '5 MINUTES', r.ts, CAST('1970-01-01 00:00:00+00' AS TIMESTAMPTZ)) AS window_start" in text
    assert "w.window_start + INTERVAL '5 MINUTES' AS window_end" in text


def test_least_and_greatest_row_become_ordered_arrays() -> None:
    text = translate_query("SELECT (min(ROW(a, b, v))).f3 AS first, (max(ROW(a, b, v))).f3 AS last FROM t")
    assert "(ARRAY_AGG(v ORDER BY a, b, v))[1] AS first" in text
    assert "(ARRAY_AGG(v ORDER BY a DESC, b DESC, v DESC))[1] AS last" in text


def test_a_filter_stays_with_its_aggregate() -> None:
    text = translate_query("SELECT (max(ROW(a, v)) FILTER (WHERE b IS NULL)).f2 AS last FROM t")
    assert "(ARRAY_AGG(v ORDER BY a DESC, v DESC) FILTER(WHERE b IS NULL))[1] AS last" in text


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("SELECT last_value(x ORDER BY ts) AS x FROM t", "last_value"),
        ("SELECT (min(ROW(a, b))).f3 AS x FROM t", "ROW has 2 fields"),
        ("SELECT (s).f1 AS x FROM t", "field access"),
        ("SELECT a.x FROM a ASOF JOIN b ON a.k = b.k AND b.t <= a.t", "ASOF JOIN"),
        ("SELECT * EXCEPT (a) FROM t", "EXCEPT"),
        ("SELECT approx_thing(x) AS y FROM t", "approx_thing"),
        ("SELECT x FROM GAP_FILL(t, ts, INTERVAL '1 minute')", "table function"),
        ("SELECT x FROM TUMBLE(t, ts, INTERVAL '1 minute', INTERVAL '1 second')", "table function"),
        ("SELECT FROM WHERE", "cannot read query"),
    ],
)
def test_what_has_no_exact_equivalent_is_refused(query: str, named: str) -> None:
    with pytest.raises(TranslationError, match=named):
        translate_query(query)
