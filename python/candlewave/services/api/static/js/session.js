/** What one market at one timeframe shows: everything is read once, and kept up to date by live events. */

import * as api from "./api.js";
import { follow } from "./stream.js";

/**
 * @typedef {import("./types.js").Bar} Bar
 * @typedef {import("./types.js").Forecast} Forecast
 * @typedef {import("./types.js").Alert} Alert
 * @typedef {import("./api.js").Problem} Problem
 * @typedef {"bars" | "past" | "forecasts" | "scores" | "models" | "mood" | "headlines" | "freshness" | "alerts" | "day" | "markets" | "venues" | "trend"} Part
 * @typedef {"there" | "before" | "far"} Reached whether a moment is among the bars: before them all, or farther back than a page keeps
 * @typedef {{
 *   moment: (at: number, reached: Reached) => void,
 *   bars: (bars: Bar[], isNew: boolean) => void, bar: (bar: Bar) => void, values: () => void,
 *   past: (outcomes: import("./types.js").Outcome[]) => void, forecasts: (forecasts: Forecast[]) => void,
 *   scores: (scores: import("./types.js").Score[]) => void, models: (notes: import("./types.js").ModelNotes) => void, mood: (mood: import("./types.js").Mood[]) => void,
 *   headlines: (headlines: import("./types.js").Headline[]) => void, day: (day: import("./types.js").Day | null) => void,
 *   freshness: (freshness: import("./types.js").Freshness) => void, alerts: (alerts: Alert[], begun: Alert | null) => void,
 *   markets: (markets: import("./types.js").ListedMarket[]) => void, heard: () => void, oldestSeen: () => number,
 *   venues: (forecasts: Map<string, Forecast[]>) => void, others: () => import("./types.js").Market[], trend: (histories: Map<number, import("./types.js").Score[]>) => void, span: () => string | null,
 *   failed: (part: Part, problem: Problem) => void, recovered: () => void, connection: (state: "live" | "retry", problem?: Problem) => void,
 *   refused: (problem: Problem) => void}} View
 *   begun: an alert that has just begun to fire; heard: the server has given a sign of life; oldestSeen: time of the oldest bar in view; others: markets whose forecasts are wanted beside; span: over which skill is wanted over time, null: it is not; recovered: all that failed can be read again; refused: the key is missing or not accepted
 */

const PAGE = 600;
/** What the API gives at most. */
const LARGEST_PAGE = 1000;
/** A page stays open for weeks: of more bars than the most, the newest are kept, and older ones come again when looked at. */
const MAX_BARS = 5000;
const KEPT_BARS = 3000;
const TICK = 1e3;
/** Milliseconds after which a part is read again, and after a failure. Events keep the others current. */
const EVERY = { past: 60e3, scores: 60e3, models: 10e3, mood: 60e3, headlines: 60e3, alerts: 60e3, day: 300e3, forecasts: 300e3, freshness: 15e3, markets: 5e3, venues: 15e3, trend: 60e3, bars: Infinity };
const AGAIN = 5e3;
/** @type {Part[]} */
const FIRST = ["bars", "forecasts"];

export class Session {
  #stop = new AbortController();
  /** @type {Map<number, Bar>} */
  #bars = new Map();
  /** @type {Map<number, Record<string, number | null>>} values of indicators by opening time */
  #values = new Map();
  /** @type {Map<number, Forecast>} by horizon */
  #forecasts = new Map();
  /** @type {Map<string, Alert>} */
  #alerts = new Map();
  /** @type {Map<Part, number>} when to read next, by `performance.now()` */
  #due = new Map();
  /** @type {Set<Part>} being read */
  #busy = new Set();
  /** @type {Set<Part>} could not be read the last time */
  #failing = new Set();
  #isShown = false;
  #hasAll = false;
  #closedUntil = 0;
  #wasLive = false;

  /**
   * @param {import("./types.js").ListedMarket} market
   * @param {{timeframe: string, names: string[], horizon: number, hasHours: boolean, at: number | null}} wanted names of
   *   indicators; horizon in minutes of the past forecasts, 0 for none; hasHours: whether there are hourly candles; at: a
   *   moment that has to be among the bars
   * @param {View} view
   */
  constructor(market, { timeframe, names, horizon, hasHours, at }, view) {
    this.market = market;
    this.timeframe = timeframe;
    this.names = names;
    this.horizon = horizon;
    this.hasHours = hasHours;
    this.at = at;
    this.view = view;
  }

  /** Follow the events and then read everything, so that nothing falls between. After a stop it goes on. */
  start() {
    this.#stop = new AbortController();
    this.#wasLive = false;
    const { signal } = this.#stop;
    const listener = {
      event: (/** @type {string} */ kind, /** @type {any} */ data) => this.#event(kind, data),
      heard: () => this.view.heard(),
      state: (/** @type {"live" | "retry"} */ state, /** @type {Problem | undefined} */ problem) => this.#state(state, problem),
    };
    follow(this.market, this.timeframe, listener, signal);
    this.#readAll();
    const timer = setInterval(() => this.#tick(), TICK);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  stop() {
    this.#stop.abort();
  }

  /** @param {number} horizon */
  showPast(horizon) {
    this.horizon = horizon;
    this.view.past([]);
    this.#read("past");
  }

  /** @param {string[]} names */
  showIndicators(names) {
    this.names = names;
    this.#readValues(this.#bars.size).catch(this.#later);
  }

  /** After a failure all is read again, indicators too. @param {unknown} error */
  #later = (error) => {
    if (this.#stop.signal.aborted) return;
    if (!(error instanceof api.Problem)) throw error;
    this.#due.set("bars", performance.now() + Math.max(AGAIN, error.retry * 1e3));
  };

  /** Read older bars, if there are any. */
  async older() {
    if (this.#busy.has("bars") || this.#hasAll || !this.#isShown) return;
    this.#busy.add("bars");
    const { signal } = this.#stop;
    try {
      await this.#readOlder(signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof api.Problem)) throw error; // The next look at the oldest bar tries again.
    } finally {
      this.#busy.delete("bars");
    }
  }

  /**
   * Read older bars until a moment is among them.
   * @param {number} time
   * @param {AbortSignal} signal
   * @returns {Promise<Reached>}
   */
  async #reach(time, signal) {
    while (this.#bars.size && this.#sorted()[0].time > time && !this.#hasAll) {
      if (this.#bars.size >= MAX_BARS) return "far";
      await this.#readOlder(signal);
    }
    return this.#bars.size && this.#sorted()[0].time <= time ? "there" : "before";
  }

  /** @param {AbortSignal} signal */
  async #readOlder(signal) {
    const [oldest] = this.#sorted();
    const page = { limit: PAGE, to: oldest.time };
    const [bars, values] = await Promise.all([
      api.readCandles(this.market, this.timeframe, page, signal),
      api.readIndicators(this.market, this.timeframe, this.names, page, signal),
    ]);
    this.#hasAll = bars.length < PAGE;
    if (bars.length) this.#merge(bars, values);
  }

  /** Read again what a part of the page that was unfolded shows. @param {"venues" | "trend"} part */
  refresh(part) {
    this.#read(part);
  }

  /** @returns {Bar[]} oldest first */
  #sorted() {
    return [...this.#bars.values()].sort((a, b) => a.time - b.time);
  }

  /** What people look at first is not kept waiting by the rest. */
  async #readAll() {
    await Promise.all(FIRST.map((part) => this.#read(part)));
    for (const part of /** @type {Part[]} */ (Object.keys(READERS))) if (!FIRST.includes(part)) this.#read(part);
  }

  #tick() {
    const now = performance.now();
    for (const [part, due] of this.#due) if (now >= due) this.#read(part);
  }

  /** @param {Part} part */
  async #read(part) {
    const { signal } = this.#stop;
    if (this.#busy.has(part) || signal.aborted) return;
    this.#busy.add(part);
    this.#due.set(part, Infinity);
    try {
      await READERS[part].call(this, signal);
      this.#due.set(part, performance.now() + EVERY[part]);
      if (this.#failing.delete(part) && !this.#failing.size) this.view.recovered();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof api.Problem)) throw error;
      if (error.status === 401 || error.status === 403) {
        this.stop();
        this.view.refused(error);
        return;
      }
      this.#due.set(part, performance.now() + Math.max(AGAIN, error.retry * 1e3));
      this.#failing.add(part);
      this.view.failed(part, error);
    } finally {
      this.#busy.delete(part);
    }
  }

  /** @param {AbortSignal} signal */
  async readBars(signal) {
    const page = { limit: PAGE };
    const [bars, values] = await Promise.all([
      api.readCandles(this.market, this.timeframe, page, signal),
      api.readIndicators(this.market, this.timeframe, this.names, page, signal),
    ]);
    this.#dropBeforeHole(bars);
    this.#merge(bars, values);
    if (this.at === null) return;
    const { at } = this;
    const reached = await this.#reach(at, signal);
    this.at = null;
    this.view.moment(at, reached);
  }

  /**
   * After a long sleep bars are missing between those known and the newest page: forget the old ones, which come again
   * when they are looked at.
   * @param {Bar[]} page oldest first
   */
  #dropBeforeHole(page) {
    const older = [...this.#bars.values()].filter(({ time }) => page.length && time < page[0].time);
    if (!older.length || Math.max(...older.map(({ end }) => end)) >= page[0].time) return;
    for (const { time } of older) this.#bars.delete(time);
    this.#hasAll = false;
  }

  /**
   * @param {Bar[]} bars
   * @param {Map<number, Record<string, number | null>>} values
   */
  #merge(bars, values) {
    for (const [time, row] of values) this.#values.set(time, row);
    for (const bar of bars) {
      // An event may have been faster than the answer.
      if (bar.isOpen && this.#bars.get(bar.time)?.isOpen === false) continue;
      this.#bars.set(bar.time, bar);
    }
    for (const bar of this.#bars.values()) bar.values = this.#values.get(bar.time) ?? {};
    this.view.bars(this.#sorted(), !this.#isShown);
    this.#isShown = true;
  }

  /** @param {number} count bars, from the newest, whose indicators are wanted */
  async #readValues(count) {
    const wanted = this.names;
    let to;
    for (let left = count; left > 0; left -= LARGEST_PAGE) {
      const page = { limit: Math.min(LARGEST_PAGE, left), to };
      const values = await api.readIndicators(this.market, this.timeframe, wanted, page, this.#stop.signal);
      if (wanted !== this.names) return;
      for (const [time, row] of values) {
        this.#values.set(time, row);
        const bar = this.#bars.get(time);
        if (bar) bar.values = row;
      }
      if (values.size < page.limit) break;
      to = Math.min(...values.keys());
    }
    this.view.values();
  }

  /** @param {AbortSignal} signal */
  async readForecasts(signal) {
    for (const forecast of await api.readForecasts(this.market, signal)) this.#take(forecast);
    this.#showForecasts();
  }

  /** @param {AbortSignal} signal */
  async readPast(signal) {
    const { horizon } = this;
    const outcomes = horizon ? await api.readOutcomes(this.market, horizon, PAGE, signal) : [];
    if (horizon === this.horizon) this.view.past(outcomes);
  }

  /** @param {AbortSignal} signal */
  async readAlerts(signal) {
    const alerts = await api.readAlerts(signal);
    this.#alerts = new Map(alerts.map((alert) => [alert.id, alert]));
    this.view.alerts(alerts, null);
  }

  /** @param {Forecast} forecast */
  #take(forecast) {
    const known = this.#forecasts.get(forecast.horizon);
    if (!known || known.targetTime <= forecast.targetTime) this.#forecasts.set(forecast.horizon, forecast);
  }

  /** @returns {Forecast[]} that are served now, by horizon */
  forecasts() {
    return [...this.#forecasts.values()].sort((a, b) => a.horizon - b.horizon);
  }

  #showForecasts() {
    this.view.forecasts(this.forecasts());
  }

  /** @param {import("./types.js").Freshness} freshness */
  takeFreshness(freshness) {
    this.view.freshness(freshness);
    const closedUntil = freshness.closedUntil ?? 0;
    if (closedUntil > this.#closedUntil && this.#isShown) {
      this.#closedUntil = closedUntil;
      this.#read("past");
    }
    const lacking = this.#sorted().slice(-5).some((bar) => !bar.isOpen && !this.#values.has(bar.time));
    if (lacking && this.names.length) this.#readValues(5).catch(this.#later);
  }

  /**
   * @param {string} kind
   * @param {any} data
   */
  #event(kind, data) {
    if (kind === "freshness") {
      this.takeFreshness(api.toFreshness(data));
      // It comes every five seconds. When it does not, the engine may be away though the stream is there: asking tells.
      if (!this.#failing.has("freshness")) this.#due.set("freshness", performance.now() + EVERY.freshness);
    }
    if (kind === "alert") {
      const alert = api.toAlert(data);
      const isBegun = alert.status === "firing" && this.#alerts.get(alert.id)?.status !== "firing";
      this.#alerts.set(alert.id, alert);
      this.view.alerts([...this.#alerts.values()], isBegun ? alert : null);
    }
    if (!isOf(this.market, data)) return;
    if (kind === "prediction") {
      this.#take(api.toForecast(data));
      this.#showForecasts();
    }
    if (kind === "candle" && data.timeframe === this.timeframe) {
      const bar = { ...api.toBar(data), values: this.#values.get(Date.parse(data.open_time)) ?? {} };
      if (bar.isOpen && this.#bars.get(bar.time)?.isOpen === false) return;
      this.#bars.set(bar.time, bar);
      if (!this.#isShown) return;
      this.view.bar(bar);
      if (this.#bars.size > MAX_BARS) this.#dropOld();
    }
  }

  /** Forget the oldest bars, unless somebody looks at them. */
  #dropOld() {
    const sorted = this.#sorted();
    const kept = sorted.slice(-KEPT_BARS);
    if (this.view.oldestSeen() < kept[0].time) return;
    this.#bars = new Map(kept.map((bar) => [bar.time, bar]));
    for (const time of this.#values.keys()) if (time < kept[0].time) this.#values.delete(time);
    this.#hasAll = false;
    this.view.bars(kept, false);
  }

  /**
   * @param {"live" | "retry"} state
   * @param {Problem} [problem]
   */
  #state(state, problem) {
    if (state === "retry" && problem && (problem.status === 401 || problem.status === 403)) {
      this.stop();
      this.view.refused(problem);
      return;
    }
    // After a break more may be missing than the stream makes up for.
    if (state === "live" && this.#wasLive) this.#readAll();
    if (state === "live") this.#wasLive = true;
    this.view.connection(state, problem);
  }
}

/** @type {Record<Part, (this: Session, signal: AbortSignal) => Promise<void>>} */
const READERS = {
  bars: Session.prototype.readBars,
  forecasts: Session.prototype.readForecasts,
  freshness: async function (signal) {
    this.takeFreshness(await api.readFreshness(signal));
  },
  day: async function (signal) {
    if (this.hasHours) this.view.day(await api.readDay(this.market, signal));
  },
  past: Session.prototype.readPast,
  scores: async function (signal) {
    this.view.scores(await api.readScores(this.market, signal));
  },
  models: async function (signal) {
    this.view.models(await api.readModels(signal));
  },
  alerts: Session.prototype.readAlerts,
  markets: async function (signal) {
    this.view.markets(await api.readMarkets(signal));
  },
  mood: async function (signal) {
    this.view.mood(await api.readMood(this.market.base, signal));
  },
  venues: async function (signal) {
    const markets = this.view.others();
    const forecasts = await Promise.all(markets.map((market) => api.readForecasts(market, signal)));
    if (markets.length) this.view.venues(new Map(markets.map(({ exchange, symbol }, n) => [`${exchange} ${symbol}`, forecasts[n]])));
  },
  trend: async function (signal) {
    const span = this.view.span();
    if (span === null) return;
    const served = this.forecasts();
    const histories = await Promise.all(served.map((forecast) => api.readHistory(this.market, forecast, span, signal)));
    if (span !== this.view.span()) return READERS.trend.call(this, signal);
    this.view.trend(new Map(served.map(({ horizon }, n) => [horizon, histories[n]])));
  },
  headlines: async function (signal) {
    this.view.headlines(await api.readHeadlines(this.market.base, signal));
  },
};

/**
 * @param {import("./types.js").Market} market
 * @param {{exchange?: string, symbol?: string}} data
 */
const isOf = (market, data) => data.exchange === market.exchange && data.symbol === market.symbol;
