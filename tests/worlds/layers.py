"""An engine with every table and view, periods short enough for an hour of trades, and what may happen to it."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg
from hypothesis import strategies as st
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from tests.worlds.trades import Made, arrive, reset, trades

from candlewave.core.config import (
    BollingerConfig,
    CandlesConfig,
    Config,
    ExchangeConfig,
    FeaturesConfig,
    IndicatorsConfig,
    KeltnerConfig,
    MacdConfig,
    OwnFeature,
    PeersConfig,
    PredictionsConfig,
    StochasticConfig,
    StochRsiConfig,
)
from candlewave.core.times import floor_to_minute
from candlewave.engine.embedded import catalog
from candlewave.engine.embedded.refresh import Refresher
from candlewave.ml.feature_set import KEYS, feature_names, feature_set
from candlewave.services.predictor.reading import read_features
from candlewave.services.predictor.schedule import Task

MINUTE = timedelta(minutes=1)
GRACE = timedelta(seconds=2)
START = datetime(2024, 1, 1, 23, 31, tzinfo=UTC)  # a run crosses midnight, and bars of 15 minutes begin within it
MINUTES = 81
SYMBOLS = ("A/B", "C/D")
CONFIG = Config(
    exchanges={"x": ExchangeConfig(symbols=list(SYMBOLS))},
    candles=CandlesConfig(timeframes=["1m", "5m", "15m"], max_fill_minutes=4),
    features=FeaturesConfig(
        peers=PeersConfig(markets=["x A/B"]),
        own=[OwnFeature(name="own", sql="(close - ema_2) / nullif(atr_2, 0)", neutral=0, range="-20..20", longer=True)],
    ),
    predictions=PredictionsConfig(horizons_minutes=[1, 5, 15]),
    indicators=IndicatorsConfig(
        sma=[3],
        ema=[2, 3, 4],
        wma=[3],
        dema=[2],
        tema=[2],
        macd=MacdConfig(fast=2, slow=3, signal=2),
        rsi=2,
        stoch_rsi=StochRsiConfig(period=2, k=1, d=1),
        stochastic=StochasticConfig(k=2, smooth=1, d=1),
        cci=3,
        roc=2,
        mom=2,
        williams_r=2,
        adx=2,
        bollinger=BollingerConfig(period=3),
        atr=2,
        keltner=KeltnerConfig(ema=2, atr=2),
        donchian=2,
        vwap=3,
        mfi=2,
        cmf=2,
        realised_volatility=3,
        return_zscore=3,
        order_flow=2,
        amihud=2,
    ),
)


@dataclass(frozen=True)
class Score:
    """A made-up score of an article; ``delay`` is the time from scoring to its arrival."""

    article: str
    asset: str
    version: str
    value: float
    ts: datetime
    delay: timedelta = timedelta()


@dataclass(frozen=True)
class Loaded:
    """A made-up candle of history: known from ``ts`` on, the end of its minute."""

    symbol: str
    open_time: datetime
    prices: tuple[float, float, float, float]
    volume: float

    @property
    def ts(self) -> datetime:
        """When its minute was over."""
        return self.open_time + MINUTE


@dataclass(frozen=True)
class Facts:
    """What happened outside, in order of event time."""

    trades: tuple[Made, ...]
    scores: tuple[Score, ...] = ()
    candles: tuple[Loaded, ...] = ()

    def __repr__(self) -> str:
        """Say how much it is: whole histories would drown a report that names what they were made from."""
        return f"<{len(self.trades)} trades, {len(self.scores)} scores, {len(self.candles)} candles>"

    def before(self, moment: datetime) -> "Facts":
        """Return what had happened by then."""
        return Facts(
            tuple(t for t in self.trades if t.ts < moment),
            tuple(s for s in self.scores if s.ts < moment),
            tuple(c for c in self.candles if c.ts < moment),
        )

    def since(self, moment: datetime) -> "Facts":
        """Return what happened then and later."""
        return Facts(
            tuple(t for t in self.trades if t.ts >= moment),
            tuple(s for s in self.scores if s.ts >= moment),
            tuple(c for c in self.candles if c.ts >= moment),
        )

    def with_candles(self, spans: list[tuple[str, int, int, bool]]) -> "Facts":
        """Return the same with some minutes loaded as candles: (market, first minute, minutes, whether trades stay)."""
        minutes: dict[tuple[str, datetime], bool] = {}
        for symbol, first, length, trades_stay in spans:
            begin = START + first * MINUTE
            minutes |= {(symbol, begin + n * MINUTE): trades_stay for n in range(length)}
        traded: dict[tuple[str, datetime], list[Made]] = {}
        for made in self.trades:
            traded.setdefault((made.symbol, floor_to_minute(made.ts)), []).append(made)
        loaded = [candle_of(minute, traded[minute]) for minute in minutes if minute in traded]
        return replace(
            self,
            trades=tuple(t for t in self.trades if minutes.get((t.symbol, floor_to_minute(t.ts)), True)),
            candles=tuple(sorted(loaded, key=lambda c: c.open_time)),
        )


def candle_of(minute: tuple[str, datetime], made: list[Made]) -> Loaded:
    """Return the candle of a minute's trades."""
    prices = [t.price for t in sorted(made, key=lambda t: (t.ts, t.number))]
    ohlc = (prices[0], max(prices), min(prices), prices[-1])
    return Loaded(*minute, ohlc, sum(t.quantity for t in made))


scores = st.builds(
    lambda article, asset, version, value, second: Score(
        article, asset, version, value, START + timedelta(seconds=second)
    ),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["A", "C"]),
    st.sampled_from(["v1", "v2"]),
    # No few of them add up to zero: of such a sum only rounding is left, which depends on the order of its terms.
    st.sampled_from([-0.97, -0.41, 0.13, 0.29, 0.73]),
    st.integers(0, MINUTES * 60),
)


def history(
    seed: int,
    silences: list[tuple[str, int, int]],
    singles: list[tuple[str, float, float, float, str]],
    news: list[Score],
) -> Facts:
    """Return a random walk per market, silent for some minutes from one on, with single trades anywhere, and news."""
    walk = random.Random(seed)
    silent = {(symbol, first + n) for symbol, first, length in silences for n in range(length)}
    made = [
        (symbol, second, price, quantity, side)
        for symbol in SYMBOLS
        for second, price, quantity, side in _walk(walk)
        if (symbol, int(second // 60)) not in silent
    ]
    made = sorted(made + singles, key=lambda m: m[1])
    return Facts(
        tuple(
            Made(symbol, n, START + timedelta(seconds=second), price, quantity, side)
            for n, (symbol, second, price, quantity, side) in enumerate(made)
        ),
        tuple(sorted(news, key=lambda s: s.ts)),
    )


histories = st.builds(
    history,
    st.integers(0, 2**16),
    st.lists(st.tuples(st.sampled_from(SYMBOLS), st.integers(0, MINUTES), st.integers(1, 9)), max_size=3),
    st.lists(trades, max_size=5),
    st.lists(scores, max_size=6, unique_by=lambda s: (s.article, s.asset, s.version)),
)


spans = st.lists(
    st.tuples(st.sampled_from(SYMBOLS), st.integers(0, MINUTES), st.integers(1, MINUTES), st.booleans()),
    min_size=1,
    max_size=3,
)
with_candles = st.builds(Facts.with_candles, histories, spans)
"""Histories of which some minutes are known as candles, with or without their trades."""


def _walk(walk: random.Random) -> Iterable[tuple[float, float, float, str]]:
    price = 100.0
    for minute in range(MINUTES):
        for second in sorted(walk.sample(range(60), 2)):
            price += walk.randint(-3, 3)
            yield minute * 60.0 + second, max(price, 1.0), float(walk.randint(1, 9)), walk.choice(["buy", "sell"])


def empty(conn: psycopg.Connection) -> None:
    """Forget everything but which markets are watched."""
    reset(conn)
    for symbol in SYMBOLS:
        base, quote = symbol.split("/")
        conn.execute("INSERT INTO symbols VALUES ('x', %s, %s, %s)", [symbol, base, quote])


def happen(conn: psycopg.Connection, facts: Facts) -> None:
    """Let facts arrive, in their order."""
    load(conn, facts.candles)
    arrive(conn, facts.trades)
    score(conn, facts.scores)


def load(conn: psycopg.Connection, candles: Iterable[Loaded]) -> None:
    """Let candles arrive, as of one load after all of them."""
    for c in candles:
        conn.execute(
            "INSERT INTO loaded_candles (exchange, symbol, open_time, open, high, low, close, volume, source,"
            " loaded_at, ingest_ts) VALUES ('x', %s, %s, %s, %s, %s, %s, %s, 'test', %s, %s)",
            [c.symbol, c.open_time, *c.prices, c.volume, START + 2 * MINUTES * MINUTE, START + 2 * MINUTES * MINUTE],
        )


def score(conn: psycopg.Connection, found: Iterable[Score]) -> None:
    """Let scores arrive in the given order; a second one of the same article and version is ignored."""
    for s in found:
        conn.execute(
            "INSERT INTO news_sentiment (article_id, asset, score, confidence, relevance, event_type, extractor,"
            " extractor_version, published_at, fetched_at, scored_at, ingest_ts)"
            " VALUES (%s, %s, %s, 0.9, 0.8, 'other', 'offline', %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [s.article, s.asset, s.value, s.version, START - timedelta(minutes=30), s.ts, s.ts, s.ts + s.delay],
        )


def run(conn: psycopg.Connection, facts: Facts) -> None:
    """Start empty, let everything happen, and bring every view up to date."""
    empty(conn)
    happen(conn, facts)
    Refresher(conn).run_until_idle()


def state(conn: psycopg.Connection, view: str) -> dict[tuple, dict]:
    """Return the rows of a view by its key."""
    (keys,) = [o.header.keys for o in catalog.load(conn) if o.name == view and o.header]
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(f'SELECT * FROM "{view}"').fetchall()
    return {tuple(row[key] for key in keys): row for row in rows}


def closed_until(conn: psycopg.Connection) -> datetime | None:
    """Return the clock of the exchange furthest ahead."""
    row = conn.execute("SELECT closed_until FROM furthest_clock").fetchone()
    assert row is not None
    found = row[0]
    assert found is None or isinstance(found, datetime)
    return found


def remember_inputs(conn: psycopg.Connection, tasks: list[Task], made_at: datetime) -> dict[tuple, dict]:
    """Read the features of candles as the predictor does, and keep them as it does; return them by key."""
    if not tasks:
        return {}
    names = feature_names(conn)
    matrix = read_features(conn, names, tasks).matrix
    known = {}
    for exchange, symbol, when, vector in zip(
        matrix.exchange.tolist(), matrix.symbol.tolist(), matrix.open_time.tolist(), matrix.values.tolist(), strict=True
    ):
        values = {n: None if v != v else v for n, v in zip(names, vector, strict=True)}  # NaN is not equal to itself
        open_time = when.replace(tzinfo=UTC)
        known[exchange, symbol, open_time] = values
        conn.execute(
            "INSERT INTO prediction_inputs VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [exchange, symbol, open_time, feature_set(conn), Jsonb(values), made_at],
        )
    return known


def features_only(row: dict) -> dict:
    """Return a row of ``features`` without its keys and times."""
    return {name: value for name, value in row.items() if name not in KEYS}
