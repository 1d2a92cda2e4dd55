/** The REST API under /v1, turned into what the page works with (types.js). All knowledge of the API's fields is here. */

/**
 * @typedef {import("./types.js").Market} Market
 * @typedef {import("./types.js").Bar} Bar
 * @typedef {import("./types.js").Forecast} Forecast
 * @typedef {import("./types.js").Outcome} Outcome
 * @typedef {import("./types.js").Score} Score
 * @typedef {import("./types.js").Headline} Headline
 * @typedef {import("./types.js").Mood} Mood
 * @typedef {import("./types.js").Freshness} Freshness
 * @typedef {import("./types.js").Day} Day
 * @typedef {import("./types.js").Alert} Alert
 * @typedef {Record<string, any>} Json
 */

const KEY = "candlewave.key";
const PERIODS = 3;
const WEEK_HOURS = 168;

/** An answer that is not the wanted one. */
export class Problem extends Error {
  /**
   * @param {number} status HTTP status; 0: no answer at all
   * @param {string} detail
   * @param {number} retry seconds after which to try again
   */
  constructor(status, detail, retry = 2) {
    super(detail);
    this.status = status;
    this.retry = retry;
  }
}

/** @returns {string | null} the key of this tab */
export const storedKey = () => sessionStorage.getItem(KEY);

/** @param {string | null} key */
export function storeKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

/** @returns {Record<string, string>} headers that prove the right to read */
export function keyHeaders() {
  const key = storedKey();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/**
 * @param {Response} response not an ok one
 * @returns {Promise<Problem>}
 */
export async function problemOf(response) {
  const body = await response.json().catch(() => ({}));
  const retry = Number(response.headers.get("Retry-After")) || 2;
  return new Problem(response.status, body.detail || body.title || `HTTP ${response.status}`, retry);
}

/** Milliseconds by which the server's clock is ahead of this machine's. */
let ahead = 0;

/** @returns {number} the server's time: ages must not depend on whether this machine's clock is right */
export const serverNow = () => Date.now() + ahead;

/** @param {Response} response */
function readClock(response) {
  // What comes from the browser's cache has an old date.
  if (response.headers.get("Cache-Control")?.includes("max-age")) return;
  const found = Date.parse(response.headers.get("Date") ?? "") - Date.now();
  // The header has whole seconds, and the answer took its time.
  if (Number.isFinite(found)) ahead = Math.abs(found) < 5e3 ? 0 : found;
}

/**
 * @param {string} path
 * @param {Record<string, string | number | undefined>} [parameters]
 * @param {AbortSignal} [signal]
 * @returns {Promise<Json>}
 */
async function read(path, parameters = {}, signal) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) query.set(name, String(value));
  const address = query.size ? `/v1/${path}?${query}` : `/v1/${path}`;
  let response;
  try {
    response = await fetch(address, { headers: { Accept: "application/json", ...keyHeaders() }, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "The server does not answer.");
  }
  readClock(response);
  if (!response.ok) throw await problemOf(response);
  return response.json();
}

/** @param {Market} market */
export const marketParameters = ({ exchange, symbol }) => ({ exchange, symbol: symbol.replace("/", "-") });

/** @returns {Promise<import("./types.js").About>} */
export async function readAbout() {
  const about = await read("about");
  return {
    version: about.version,
    exchange: about.default_exchange,
    timeframes: about.timeframes,
    horizons: about.horizons_minutes,
    indicators: about.indicators,
    interval: about.interval,
  };
}

/**
 * @param {AbortSignal} [signal]
 * @returns {Promise<import("./types.js").ListedMarket[]>}
 */
export async function readMarkets(signal) {
  const { data } = await read("symbols", {}, signal);
  return data.map((/** @type {Json} */ row) => ({
    exchange: row.exchange,
    symbol: row.symbol,
    base: row.base ?? row.symbol.split("/")[0],
    quote: row.quote ?? row.symbol.split("/")[1]?.split(":")[0] ?? "",
    isSynthetic: row.is_synthetic,
    lastPrice: row.last_price,
    lastTrade: time(row.last_trade),
    state: row.state,
    lastEvent: time(row.last_event),
    loading: row.loading && { from: Date.parse(row.loading.range_from), to: Date.parse(row.loading.range_to), records: row.loading.records },
  }));
}

/**
 * The last day in hours.
 * @param {Market} market
 * @param {AbortSignal} [signal]
 * @returns {Promise<Day | null>} null before the first closed hour
 */
export async function readDay(market, signal) {
  const { data } = await read("candles", { ...marketParameters(market), timeframe: "1h", limit: 25 }, signal);
  if (!data.length) return null;
  const bars = data.map(toBar);
  const oldest = bars[bars.length - 1];
  const isWhole = bars.length === 25;
  const inside = isWhole ? bars.slice(0, -1) : bars;
  return {
    reference: isWhole ? oldest.close : oldest.open,
    from: isWhole ? oldest.end : oldest.time,
    high: Math.max(...inside.map((/** @type {Bar} */ bar) => bar.high)),
    low: Math.min(...inside.map((/** @type {Bar} */ bar) => bar.low)),
    isWhole,
  };
}

/**
 * @param {Market} market
 * @param {string} timeframe
 * @param {{limit: number, to?: number}} page to: only bars that open before
 * @param {AbortSignal} [signal]
 * @returns {Promise<Bar[]>} oldest first
 */
export async function readCandles(market, timeframe, { limit, to }, signal) {
  const page = { limit, to: to === undefined ? undefined : new Date(to).toISOString() };
  const { data } = await read("candles", { ...marketParameters(market), timeframe, ...page }, signal);
  return data.map(toBar).reverse();
}

/**
 * @param {Market} market
 * @param {string} timeframe
 * @param {string[]} names
 * @param {{limit: number, to?: number}} page
 * @param {AbortSignal} [signal]
 * @returns {Promise<Map<number, Record<string, number | null>>>} values by opening time, with the bars since the last hole
 */
export async function readIndicators(market, timeframe, names, { limit, to }, signal) {
  if (!names.length) return new Map();
  const page = { limit, to: to === undefined ? undefined : new Date(to).toISOString() };
  const parameters = { ...marketParameters(market), timeframe, names: names.join(","), ...page };
  const { data } = await read("indicators", parameters, signal);
  return new Map(data.map((/** @type {Json} */ row) => [Date.parse(row.open_time), { ...row.values, warm_bars: row.warm_bars }]));
}

/**
 * What the indicators are. `warmUp`: how many bars one wants before its value says something: three of its periods, as
 * features ask for.
 * @returns {Promise<Map<string, import("./types.js").Indicator>>} by name
 */
export async function readCatalog() {
  const { data } = await read("indicators/catalog");
  return new Map(
    data.map((/** @type {Json} */ { name, unit, needs, warm_up, parameters, entry }) => {
      const periods = Object.values(JSON.parse(parameters)).filter((value) => typeof value === "number");
      const warmUp = Math.min(warm_up, Math.max(needs, PERIODS * Math.max(0, ...periods)));
      return [name, { unit, warmUp, isEntry: entry }];
    }),
  );
}

/**
 * @param {Market} market
 * @param {AbortSignal} [signal]
 * @returns {Promise<Forecast[]>} by horizon
 */
export async function readForecasts(market, signal) {
  const { data } = await read("predictions/latest", marketParameters(market), signal);
  return data.map(toForecast).sort((/** @type {Forecast} */ a, /** @type {Forecast} */ b) => a.horizon - b.horizon);
}

/**
 * Past forecasts as they were served.
 * @param {Market} market
 * @param {number} horizon minutes
 * @param {number} limit
 * @param {AbortSignal} [signal]
 * @returns {Promise<Outcome[]>} oldest first
 */
export async function readOutcomes(market, horizon, limit, signal) {
  const { data } = await read("predictions", { ...marketParameters(market), horizon_minutes: horizon, limit }, signal);
  return data.map(toOutcome).reverse();
}

/**
 * @param {Market} market
 * @param {AbortSignal} [signal]
 * @returns {Promise<Score[]>}
 */
export async function readScores(market, signal) {
  const { data } = await read("performance", marketParameters(market), signal);
  return data.map(toScore);
}

/**
 * What a model was worth, hour by hour, over at most a week.
 * @param {Market} market
 * @param {Forecast} forecast of the horizon and model
 * @param {string} span
 * @param {AbortSignal} [signal]
 * @returns {Promise<Score[]>} oldest first
 */
export async function readHistory(market, { horizon, model, version }, span, signal) {
  const parameters = { ...marketParameters(market), horizon_minutes: horizon, span, model_name: model, model_version: version, limit: WEEK_HOURS };
  const { data } = await read("performance/history", parameters, signal);
  return data.map(toScore).reverse();
}

/** @param {Json} row @returns {Score} */
const toScore = (row) => ({
  horizon: row.horizon_minutes,
  model: row.model_name,
  version: row.model_version,
  span: row.span,
  hour: Date.parse(row.hour),
  forecasts: row.forecasts,
  mae: row.mae,
  skill: row.skill,
  intervalSkill: row.interval_skill,
  coverage: row.coverage,
  direction: row.directional_accuracy,
  bias: row.bias,
});

/**
 * What is known of the models.
 * @param {AbortSignal} [signal]
 * @returns {Promise<import("./types.js").ModelNotes>}
 */
export async function readModels(signal) {
  const { data, training: told } = await read("models", {}, signal);
  const name = (/** @type {Json} */ row) => `${row.model_name} ${row.model_version}`;
  const silent = data.find((/** @type {Json} */ row) => row.is_silent);
  /** @type {Map<string, string>} */
  const trained = new Map();
  for (const row of data) {
    const found = row.events.map((/** @type {Json} */ { event, reason }) => (event === "registered" ? /trained on .*/.exec(reason)?.[0] : null)).find(Boolean);
    if (found) trained.set(name(row), found);
  }
  const training = told && { isRunning: told.state === "running", reason: told.reason, since: time(told.since), fitted: told.fitted ?? 0, total: told.total ?? 0 };
  const coming = data.find((/** @type {Json} */ row) => row.promoted_at && !row.newest_forecast && !row.is_silent);
  return { silent: silent ? name(silent) : null, coming: coming ? name(coming) : null, trained, training };
}

/** News are read of some assets only. @param {unknown} error @returns {Json} */
function noneIfUnknown(error) {
  if (error instanceof Problem && error.status === 404) return { data: [] };
  throw error;
}

/**
 * @param {string} asset
 * @param {AbortSignal} [signal]
 * @returns {Promise<Mood[]>} oldest first
 */
export async function readMood(asset, signal) {
  const { data } = await read("sentiment", { asset, limit: 720 }, signal).catch(noneIfUnknown);
  return data
    .map((/** @type {Json} */ row) => ({ time: Date.parse(row.minute), value: row.sentiment_6h }))
    .filter((/** @type {{value: number | null}} */ { value }) => value !== null)
    .reverse();
}

/**
 * @param {string} asset
 * @param {AbortSignal} [signal]
 * @returns {Promise<Headline[]>} newest first
 */
export async function readHeadlines(asset, signal) {
  const { data } = await read("sentiment/headlines", { asset, limit: 6 }, signal).catch(noneIfUnknown);
  return data.map((/** @type {Json} */ row) => ({
    title: row.title,
    url: row.url,
    source: row.source,
    published: Date.parse(row.published_at ?? row.scored_at),
    score: row.score,
  }));
}

/**
 * @param {AbortSignal} [signal]
 * @returns {Promise<Freshness>}
 */
export async function readFreshness(signal) {
  return toFreshness(await read("freshness", {}, signal));
}

/**
 * What fires now, and the newest changes of what does not.
 * @param {AbortSignal} [signal]
 * @returns {Promise<Alert[]>}
 */
export async function readAlerts(signal) {
  const [firing, recent] = await Promise.all([
    read("alerts", { status: "firing" }, signal),
    read("alerts", { status: "all", limit: 10 }, signal),
  ]);
  return [...firing.data, ...recent.data.filter((/** @type {Json} */ row) => row.status === "resolved")].map(toAlert);
}

/** @param {Json} answer @returns {Freshness} */
export function toFreshness(answer) {
  return {
    readAt: performance.now(),
    closedUntil: time(answer.closed_until),
    layers: answer.data.map((/** @type {Json} */ row) => ({
      layer: row.layer,
      age: row.age_seconds === null ? null : row.age_seconds * 1e3,
    })),
  };
}

/** @param {Json} row @returns {Bar} */
export function toBar(row) {
  return {
    time: Date.parse(row.open_time),
    end: Date.parse(row.close_time),
    open: row.open,
    high: row.high,
    low: row.low,
    close: row.close,
    volume: row.volume,
    trades: row.trades,
    isOpen: row.is_open,
    isFilled: row.is_filled ?? false,
    values: {},
  };
}

/** @param {Json} row @returns {Forecast} */
export function toForecast(row) {
  return {
    horizon: row.horizon_minutes,
    targetTime: Date.parse(row.target_time),
    madeAt: Date.parse(row.made_at),
    reference: row.reference_price,
    low: row.price_q10,
    middle: row.price_q50,
    high: row.price_q90,
    role: row.role,
    model: row.model_name,
    version: row.model_version,
    medianBy: row.median_by,
    bandBy: row.interval_by,
  };
}

/** @param {Json} row @returns {Outcome} */
function toOutcome(row) {
  return {
    ...toForecast(row),
    realised: row.outcome?.realised_price ?? null,
    isCovered: row.outcome?.is_covered ?? null,
  };
}

/** @param {Json} row @returns {Alert} */
export function toAlert(row) {
  return {
    id: row.fingerprint,
    rule: row.rule,
    summary: row.summary,
    severity: row.severity,
    status: row.status,
    time: Date.parse(row.occurred_at),
  };
}

/** @param {string | null | undefined} text */
const time = (text) => (text ? Date.parse(text) : null);
