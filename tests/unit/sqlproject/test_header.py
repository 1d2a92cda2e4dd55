"""Headers of SQL objects: what is read, and what is refused with which words."""

import pytest

from candlewave.sqlproject.header import Bound, Footprint, HeaderError, Reach, parse_header, split_header

HEADER = """
-- candles: closed candles of every timeframe,
--   without gaps
-- grain: one row per exchange, symbol, bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: amends the bar
-- columns:
--   is_filled: no trade
--   open, close: prices of the first and of the last trade,
--     whatever the timeframe: never of quotes
-- footprint:
--   candles_1m by exchange, symbol: open_time -> open_time tumble 60 minutes
--   sums by exchange, symbol: least(ts, ingest_ts) -> open_time [-1 minute, +255 bars]
--   clock by exchange, symbol of feed_clock: closed_until -> open_time [-1 minute, 0]
--   minutes by exchange, each symbol of feed_clock: minute -> open_time [0, 0]
--   days by exchange, symbol: all
--   catalog: full
-- readers: indicators, people
"""


def header_of(text: str, name: str = "candles"):
    return parse_header(text.strip(), name)


def test_fields_are_read_over_several_lines() -> None:
    header = header_of(HEADER)
    assert header.purpose == "closed candles of every timeframe, without gaps"
    assert header.keys == ("exchange", "symbol", "timeframe", "open_time")
    assert header.event_time == "open_time"
    assert header.readers == ("indicators", "people")


def test_meanings_are_read_for_each_column() -> None:
    price = "prices of the first and of the last trade, whatever the timeframe: never of quotes"
    assert header_of(HEADER).columns == {"is_filled": "no trade", "open": price, "close": price}


def test_a_meaning_of_no_column_is_refused() -> None:
    with pytest.raises(HeaderError, match="candles: line of columns 'no trade' is not of the form"):
        header_of(HEADER.replace("is_filled: no trade", "no trade"))


def test_every_form_of_footprint_is_read() -> None:
    pair = ("exchange", "symbol")
    assert header_of(HEADER).footprints == (
        Footprint(
            "candles_1m", Reach.TUMBLE, pair, input_time="open_time", output_time="open_time", upper=Bound(seconds=3600)
        ),
        Footprint(
            "sums",
            Reach.RANGE,
            pair,
            (),
            None,
            "least(ts, ingest_ts)",
            "open_time",
            Bound(seconds=-60),
            Bound(bars=255),
        ),
        Footprint("clock", Reach.RANGE, pair, (), "feed_clock", "closed_until", "open_time", Bound(seconds=-60)),
        Footprint("minutes", Reach.RANGE, pair, ("symbol",), "feed_clock", "minute", "open_time"),
        Footprint("days", Reach.ALL, pair),
        Footprint("catalog", Reach.FULL),
    )


def test_only_a_footprint_with_a_source_of_all_its_keys_is_a_clock() -> None:
    assert [f.input for f in header_of(HEADER).footprints if f.is_clock] == ["clock"]


def test_an_input_may_lack_keys_of_the_output() -> None:
    keys = {f.input: (f.keys, f.input_keys) for f in header_of(HEADER).footprints}
    assert keys["minutes"] == (("exchange", "symbol"), ("exchange",))
    assert keys["candles_1m"] == (("exchange", "symbol"), ("exchange", "symbol"))


def test_bars_last_as_long_as_their_timeframe() -> None:
    assert Bound(seconds=-60, bars=2).longest_seconds(300) == 540


def test_an_object_may_have_no_event_time() -> None:
    assert header_of(HEADER.replace("event time: open_time", "event time: none")).event_time is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "each symbol of feed_clock",
            "each symbol",
            "'each symbol' needs 'of <relation>', which lists them",
        ),
        ("-- candles:", "-- candle:", "the first line must be '-- candles: <purpose>', found 'candle: closed"),
        ("-- grain: one row per exchange, symbol, bar\n", "", "the header has no 'grain:' line"),
        (
            "-- readers:",
            "-- reader:",
            "header line 'reader: indicators, people' is neither indented nor one of grain, keys",
        ),
        ("tumble 60 minutes", "tumbling 60 minutes", "footprint line .* is not of the form"),
        ("tumble 60 minutes", "tumble 60 moons", "'60 moons' is not a distance such as 0, -1 minute"),
        ("[-1 minute, 0]", "[-1 minute, 5]", "'5' is not a distance"),
        ("[-1 minute, 0]", "[+1 minute, 0]", "the range ends before it begins"),
        ("days by exchange, symbol: all", "days: all", "'all' needs keys, 'full' has none"),
        ("catalog: full", "catalog by exchange: full", "'all' needs keys, 'full' has none"),
        ("candles_1m by exchange, symbol:", "candles_1m:", "names no keys; for a clock write"),
    ],
)
def test_a_malformed_header_says_what_was_expected(old: str, new: str, message: str) -> None:
    assert old in HEADER
    with pytest.raises(HeaderError, match=f"^candles: .*{message}|^candles: {message}"):
        header_of(HEADER.replace(old, new))


def test_no_header_at_all() -> None:
    with pytest.raises(HeaderError, match="found 'nothing'"):
        header_of("")


def test_comments_before_the_statement_are_the_header() -> None:
    comment, body = split_header("\n-- a: b\n-- keys: c\n\nCREATE VIEW a AS\n-- inside\nSELECT 1\n")
    assert comment == "-- a: b\n-- keys: c\n"
    assert body == "CREATE VIEW a AS\n-- inside\nSELECT 1"
