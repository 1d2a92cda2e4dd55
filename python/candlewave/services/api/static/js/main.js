/** The page: ties controls, session, chart and panels together. */

import { Problem, readAbout, readCatalog, readMarkets, serverNow, storedKey, storeKey } from "./api.js";
import { Chart } from "./chart/chart.js";
import { choices, isWarming, seriesOf } from "./chart/indicators.js";
import { byId, make, showSegments, update } from "./dom.js";
import { dayAndClock, horizon, horizonWords, setZone, zoneName } from "./format.js";
import { askKey } from "./key.js";
import { forecastNote, showForecasts } from "./panels/forecasts.js";
import { showAlerts, showFreshness } from "./panels/health.js";
import { showHeadlines, showMood } from "./panels/news.js";
import { describe, showAge, showKey, showLegend, showQuote } from "./panels/quote.js";
import { showScore, showTraining, SPANS, spanWords } from "./panels/score.js";
import { csvOf, fileName, save, utc } from "./panels/save.js";
import { showBars, showOutcomes } from "./panels/tables.js";
import { showTrend } from "./panels/trend.js";
import { showVenues, venuesOf } from "./panels/venues.js";
import { prefer, preference } from "./preferences.js";
import { Session } from "./session.js";
import { announce, complete, connected, disconnected, explain, heard, incomplete, locked, notice, showFeed, unreachable, waiting } from "./status.js";

/**
 * @typedef {import("./types.js").Bar} Bar
 * @typedef {import("./types.js").ListedMarket} ListedMarket
 * @typedef {import("./chart/indicators.js").Choice} Choice
 */

const AGAIN = 3e3;
const SECOND = 1e3;
/** How long a button says what it has done. */
const SAID = 2e3;
/** A page that is hidden for this long closes its connection: browsers have six for all pages of a server. */
const UNSEEN = 60e3;

/** What the address asked for when the page was opened. */
const asked = new URLSearchParams(location.search);

const state = {
  /** @type {import("./types.js").About | null} */
  about: null,
  /** @type {ListedMarket[]} */
  markets: [],
  /** @type {ListedMarket | null} */
  market: null,
  timeframe: "1m",
  /** Minutes of the past forecasts that are shown; 0: none. */
  past: Number(asked.get("past") ?? preference("past") ?? 5),
  span: [asked.get("span"), preference("span")].find((span) => span !== null && SPANS.includes(span)) ?? "24h",
  /** The moment that a link leads to. @type {number | null} */
  at: Date.parse(asked.get("at") ?? "") || null,
  /** @type {Choice[]} */
  choices: [],
  /** @type {Set<string>} */
  chosen: new Set(),
  /** @type {Map<string, import("./types.js").Indicator>} by name */
  catalog: new Map(),
};

/** What the session has last said. */
const seen = {
  /** @type {Bar[]} */
  bars: [],
  /** @type {Bar | null} */
  pointed: null,
  /** @type {import("./types.js").Forecast[]} */
  forecasts: [],
  /** @type {import("./types.js").Outcome[]} */
  outcomes: [],
  /** @type {import("./types.js").Score[] | null} */
  scores: null,
  /** @type {import("./types.js").ModelNotes} */
  notes: { silent: null, coming: null, trained: new Map(), training: null },
  /** @type {import("./types.js").Headline[]} */
  headlines: [],
  /** @type {Map<string, import("./types.js").Forecast[]>} of other venues, by exchange and symbol */
  venues: new Map(),
  /** @type {Map<number, import("./types.js").Score[]>} by horizon */
  trend: new Map(),
  /** @type {import("./types.js").Freshness | null} */
  freshness: null,
  /** @type {import("./types.js").Day | null} */
  day: null,
};

/** @type {Session | null} */
let session = null;

const chart = new Chart(byId("chart"), {
  pointed: showPointed,
  describe: (bar) => describe(bar, outcomeOf(bar)),
  older: () => session?.older(),
  share,
});

start();

/** Ask what there is, until the server says. */
async function start() {
  showTheme();
  showZone();
  wire();
  await load();
}

async function load() {
  try {
    const [about, markets, catalog] = await Promise.all([readAbout(), readMarkets(), readCatalog()]);
    state.about = about;
    state.catalog = catalog;
    state.markets = markets;
    byId("version").textContent = `candlewave ${about.version}`;
    byId("forget-key").hidden = storedKey() === null;
    if (!markets.length) {
      waiting("Appears with the first market.");
      notice("idle", "No market has data yet.", "`make demo` brings a simulated one; `candlewave trade-to-ohlc` records an exchange. This page updates by itself.");
      setTimeout(load, AGAIN);
      return;
    }
    notice(null);
    showMarkets();
    open(startMarket(), wantedTimeframe());
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.status === 401 || error.status === 403) {
      refused(error);
      return;
    }
    unreachable(error);
    setTimeout(load, Math.max(AGAIN, error.retry * SECOND));
  }
}

/** @returns {ListedMarket} the one in the address, else the last one shown if it is live or none is, else a live one */
function startMarket() {
  const find = (/** @type {string | null} */ exchange, /** @type {string | null} */ symbol) =>
    state.markets.find((market) => market.exchange === exchange && market.symbol === symbol);
  const address = new URLSearchParams(location.search);
  const symbol = address.get("symbol");
  const named = find(address.get("exchange"), (symbol?.includes("/") ? symbol : symbol?.replace("-", "/")) ?? null);
  if (named) return named;
  const live = state.markets.filter((market) => market.state === "live" && market.lastPrice !== null);
  const last = find(preference("exchange"), preference("symbol"));
  if (last && (live.includes(last) || !live.length)) return last;
  const priced = state.markets.filter(({ lastPrice }) => lastPrice !== null);
  const rest = live.length ? live : priced;
  return rest.find(({ exchange }) => exchange === state.about?.exchange) ?? rest[0] ?? state.markets[0];
}

/** The market that is shown, as it was listed last. @returns {ListedMarket | null} */
const listed = () => state.markets.find((candidate) => state.market !== null && marketId(candidate) === marketId(state.market)) ?? state.market;

/** A replayed market has a present of its own: where it ends. */
function marketNow() {
  const market = listed();
  return market?.state === "history" && market.lastEvent !== null ? market.lastEvent : serverNow();
}

/** Say whether data of the market arrive, or that it is history. */
function drawFeed() {
  const market = listed();
  if (!market) return;
  showFeed(market.state);
  const isHistory = market.state === "history" && market.lastEvent !== null;
  const { loading } = market;
  const said = isHistory
    ? `History, ends ${dayAndClock(Number(market.lastEvent))}`
    : loading && `Loading history, ${dayAndClock(loading.from)} to ${dayAndClock(loading.to)}${loading.records ? `, ${loading.records.toLocaleString("en")} so far` : ""}`;
  byId("history").hidden = !said;
  byId("history").textContent = said || "";
  if (market.state === "waiting" && !loading) {
    byId("chart-empty").textContent = `No candles of ${market.symbol} yet: nothing has arrived from ${market.exchange}. If that lasts, the log of trade-to-ohlc says what cannot be reached.`;
  }
}

function wantedTimeframe() {
  const { timeframes } = /** @type {import("./types.js").About} */ (state.about);
  const wanted = [new URLSearchParams(location.search).get("timeframe"), preference("timeframe"), "1m"];
  return wanted.find((name) => name !== null && timeframes.includes(name)) ?? timeframes[0];
}

/**
 * Show a market at a timeframe.
 * @param {ListedMarket} market
 * @param {string} timeframe
 */
function open(market, timeframe) {
  const { horizons, timeframes, indicators } = /** @type {import("./types.js").About} */ (state.about);
  session?.stop();
  const isOther = !state.market || marketId(market) !== marketId(state.market);
  const isFirst = state.market === null;
  if (isOther && !isFirst) state.at = null;
  state.market = market;
  state.timeframe = timeframe;
  if (state.past !== 0 && !horizons.includes(state.past)) state.past = horizons[0];

  state.choices = choices(indicators, market.base, state.catalog);
  const saved = (isFirst ? asked.get("indicators") : null) ?? (state.chosen.size ? [...state.chosen].join(",") : preference("indicators"));
  state.chosen = new Set(saved?.split(",") ?? state.choices.filter(({ isShown }) => isShown).map(({ id }) => id));
  remember();
  seen.bars = [];
  if (isOther) Object.assign(seen, { forecasts: [], outcomes: [], scores: null, headlines: [], day: null, venues: new Map(), trend: new Map() });

  // Its answers come later: asked first, they come sooner.
  const wanted = { timeframe, names: columns(), horizon: state.past, hasHours: timeframes.includes("1h"), at: state.at };
  byId("moment").hidden = true;
  session = new Session(market, wanted, view(market));
  session.start();

  showIndicatorMenu();
  byId("market-name").textContent = `${market.symbol} on ${market.exchange}`;
  byId("synthetic").hidden = !market.isSynthetic;
  drawFeed();
  byId("chart").setAttribute("aria-label", `Candles of ${market.symbol}, ${timeframe}`);
  byId("chart-empty").hidden = false;
  byId("chart-empty").textContent = "Loading candles…";
  /** @type {HTMLSelectElement} */ (byId("market")).value = marketId(market);
  showSegments(byId("timeframes"), timeframes.map((name) => ({ value: name, text: name, label: `${name}, candles of ${frameWords(name)}` })), timeframe, (name) => open(market, name));
  showPastChoice();
  showSpans();
  chart.show([], lengthOf(timeframe), true);
  chart.showForecasts(seen.forecasts);
  chart.showPast([]);
  chart.showLines(lines());
  showPrice();
}

/** Keep what is shown in the address, so that it can be bookmarked, and as a preference. */
function remember() {
  const { market, timeframe } = state;
  if (!market) return;
  history.replaceState(null, "", addressOf(market));
  prefer("exchange", market.exchange);
  prefer("symbol", market.symbol);
  prefer("timeframe", timeframe);
}

/** The address at which a market is shown, with what else is chosen. @param {import("./types.js").Market} market */
function addressOf({ exchange, symbol }) {
  const address = new URL(location.href);
  const wanted = { exchange, symbol: symbol.replace("/", "-"), timeframe: state.timeframe, past: String(state.past), span: state.span, indicators: [...state.chosen].join(",") };
  for (const [name, value] of Object.entries(wanted)) address.searchParams.set(name, value);
  if (state.at === null || !isShownNow({ exchange, symbol })) address.searchParams.delete("at");
  else address.searchParams.set("at", utc(state.at));
  return address.href;
}

/** @param {import("./types.js").Market} market */
const isShownNow = (market) => state.market !== null && marketId(market) === marketId(state.market);

/** @type {import("./session.js").View["moment"]} */
function showMoment(at, reached) {
  if (at !== state.at) return;
  if (reached === "there") chart.goTo(at);
  const words = { there: `Linked to ${dayAndClock(at)}`, before: `${dayAndClock(at)} is before the first candle here`, far: `${dayAndClock(at)} is too far back for candles of ${frameWords(state.timeframe)}: choose longer ones` };
  byId("moment").textContent = words[reached];
  byId("moment").hidden = false;
}

/** Leave the moment that the address asked for. */
function leaveMoment() {
  state.at = null;
  byId("moment").hidden = true;
  remember();
}

/** Lead the address to the bar under the cursor, or to the newest in view, and copy it. */
async function share() {
  const bar = seen.pointed ?? chart.seen().at(-1);
  if (!bar) return;
  state.at = bar.time;
  remember();
  const button = byId("link");
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Copied";
    announce(`Link copied: it leads to ${dayAndClock(bar.time)}.`);
  } catch {
    // Copying needs https or this machine, and may be forbidden.
    button.textContent = "In the address";
    announce(`The address of the page leads to ${dayAndClock(bar.time)} now.`);
  }
  setTimeout(() => {
    button.textContent = "Link";
  }, SAID);
}

/** Save the bars in view, with the indicators and past forecasts that are shown. */
function saveSeen() {
  const bars = chart.seen();
  if (!state.market || !bars.length) return;
  save(fileName(state.market, state.timeframe, bars[bars.length - 1].time), csvOf(bars, columns(), outcomeOf));
  announce(`Saved ${bars.length} candles.`);
}

/** The other venues of the coin that is shown, if they are looked at. */
function wantedVenues() {
  const { market } = state;
  const fold = /** @type {HTMLDetailsElement} */ (byId("venues"));
  return market && fold.open ? venuesOf(market, state.markets).slice(1) : [];
}

function drawVenues() {
  const market = listed();
  if (!market || !state.about) return;
  const fold = /** @type {HTMLDetailsElement} */ (byId("venues"));
  const venues = venuesOf(market, state.markets);
  fold.hidden = venues.length < 2;
  /** @type {HTMLElement} */ (fold.querySelector("summary")).textContent = `${market.base} at ${venues.length} venues`;
  const forecasts = new Map([...seen.venues, [marketId(market), seen.forecasts]]);
  if (fold.open) showVenues(/** @type {HTMLElement} */ (fold.querySelector(".scroll")), venues, state.about.horizons, forecasts, addressOf);
}

function drawTrend() {
  const fold = /** @type {HTMLDetailsElement} */ (byId("trend"));
  if (fold.open) showTrend(/** @type {HTMLElement} */ (fold.querySelector(".scroll")), seen.trend);
}

/**
 * Where a session's news go.
 * @param {ListedMarket} market
 * @returns {import("./session.js").View}
 */
function view(market) {
  return {
    moment: showMoment,
    bars(bars, isNew) {
      seen.bars = bars;
      byId("chart-empty").hidden = bars.length > 0;
      byId("chart-empty").textContent = `No candles of ${market.symbol} yet. The first one appears with its first trade.`;
      chart.show([...bars], lengthOf(state.timeframe), isNew);
      showPrice();
      showTables();
      drawKey();
      if (isNew && bars.length) performance.mark("candlewave-usable");
    },
    bar(bar) {
      if (!seen.bars.length || bar.time > seen.bars[seen.bars.length - 1].time) seen.bars.push(bar);
      else seen.bars = seen.bars.map((old) => (old.time === bar.time ? bar : old));
      byId("chart-empty").hidden = true;
      chart.update(bar);
      showPrice();
      if (!bar.isOpen) showTables();
    },
    values() {
      drawKey();
      chart.refreshLines();
      showPointed(seen.pointed);
      showTables();
    },
    past(outcomes) {
      seen.outcomes = outcomes;
      chart.showPast(outcomes);
      showTables();
      drawKey();
    },
    forecasts(forecasts) {
      seen.forecasts = forecasts;
      chart.showForecasts(forecasts);
      drawForecasts();
      drawVenues();
      drawScore();
      drawKey();
    },
    scores(scores) {
      seen.scores = scores;
      drawScore();
    },
    models(notes) {
      seen.notes = notes;
      showTraining(byId("training"), notes.training);
      drawScore();
    },
    mood: (mood) => showMood(byId("mood"), market.base, mood),
    headlines(headlines) {
      seen.headlines = headlines;
      drawHeadlines();
    },
    markets(markets) {
      state.markets = markets;
      showMarkets();
      drawAge();
      drawFeed();
      drawVenues();
    },
    others: wantedVenues,
    venues(forecasts) {
      seen.venues = forecasts;
      drawVenues();
    },
    span: () => (/** @type {HTMLDetailsElement} */ (byId("trend")).open ? state.span : null),
    trend(histories) {
      seen.trend = histories;
      drawTrend();
    },
    heard,
    oldestSeen: () => chart.oldestSeen(),
    day(day) {
      seen.day = day;
      showPrice();
    },
    freshness(freshness) {
      seen.freshness = freshness;
      drawFreshness();
    },
    alerts(alerts, begun) {
      showAlerts(byId("alerts"), alerts);
      const firing = alerts.filter(({ status }) => status === "firing").length;
      byId("alert-note").textContent = firing ? `${firing} firing` : "";
      if (begun) announce(`Alert: ${begun.summary || begun.rule}`);
    },
    failed,
    recovered: complete,
    connection: (to, problem) => (to === "live" ? connected() : disconnected(problem)),
    refused,
  };
}

/** Where a part's failure is said, if it has shown nothing so far. @type {Record<import("./session.js").Part, string | null>} */
const PLACES = { bars: "chart-empty", forecasts: "forecasts", scores: "score", models: null, mood: "mood", headlines: null, freshness: "layers", alerts: "alerts", past: null, day: null, markets: null, venues: null, trend: null };

/** @type {import("./session.js").View["failed"]} */
function failed(part, problem) {
  const place = PLACES[part];
  const text = `Could not be read: ${explain(problem)}`;
  if (place === "chart-empty") byId(place).textContent = text;
  else if (place) {
    const host = byId(place);
    if (host.querySelector(".empty") || !host.firstElementChild) host.replaceChildren(make(host.tagName === "DL" ? "dt" : "p", { className: "empty" }, text));
  }
  incomplete(problem, part === "freshness");
}

/** @param {Problem} problem */
function refused(problem) {
  locked();
  const again = () => {
    notice(null);
    load();
  };
  askKey(problem.message, again, () =>
    notice("idle", "An API key is needed.", "Create one with `candlewave apikey create`.", make("button", { type: "button", className: "control", onclick: () => refused(problem) }, "Enter a key")),
  );
}

// What is shown of the market

/** @param {string} timeframe */
function lengthOf(timeframe) {
  const units = { m: 60e3, h: 36e5, d: 864e5 };
  return Number.parseInt(timeframe, 10) * units[/** @type {keyof typeof units} */ (timeframe.at(-1))];
}

/** @param {string} timeframe */
const frameWords = (timeframe) => horizonWords(lengthOf(timeframe) / 60e3);

const lastPrice = () => seen.bars.at(-1)?.close ?? state.market?.lastPrice ?? null;

function showPrice() {
  if (!state.market) return;
  showQuote(state.market, lastPrice(), seen.day);
  drawAge();
}

/** Say when the market has not traded for long. Bars may be filled, and know only in which of them a trade was. */
function drawAge() {
  const { market } = state;
  if (!market) return;
  const traded = seen.bars.findLast(({ trades, isFilled }) => (trades === null ? !isFilled : trades > 0));
  showAge(Math.max(listed()?.lastTrade ?? 0, traded?.time ?? 0) || null, marketNow());
}

/** @param {Bar | null} bar */
function showPointed(bar) {
  seen.pointed = bar;
  const shown = bar ?? seen.bars.at(-1);
  const valued = seen.bars.findLast(({ values }) => Object.keys(values).length);
  showLegend(byId("legend"), shown, valued, lines(), state.past, shown && outcomeOf(shown));
}

/** The past forecast for the end of a bar. @param {Bar} bar */
const outcomeOf = (bar) => seen.outcomes.findLast(({ targetTime }) => targetTime > bar.time && targetTime <= bar.end);

function showTables() {
  const bars = /** @type {HTMLDetailsElement} */ (byId("chart-table"));
  if (bars.open) showBars(/** @type {HTMLElement} */ (bars.querySelector(".scroll")), seen.bars, lines());
  const past = /** @type {HTMLDetailsElement} */ (byId("past-table"));
  past.hidden = state.past === 0;
  if (past.open) showOutcomes(/** @type {HTMLElement} */ (past.querySelector(".scroll")), seen.outcomes);
}

function drawForecasts() {
  showForecasts(byId("forecasts"), seen.forecasts, lastPrice(), marketNow());
  update(byId("forecast-note"), ...forecastNote(seen.forecasts, marketNow()));
}

function drawKey() {
  const valued = seen.bars.findLast(({ values }) => Object.keys(values).length);
  const isMarked = valued !== undefined && lines().some((series) => isWarming(series, valued));
  showKey(byId("key"), seen.forecasts.length > 0, seen.outcomes.some(({ isCovered }) => isCovered === false), isMarked);
}

function drawScore() {
  if (seen.scores) showScore(byId("score"), seen.scores, seen.forecasts, state.span, seen.notes);
}

function drawHeadlines() {
  showHeadlines(byId("headlines"), seen.headlines, serverNow());
}

function drawFreshness() {
  if (seen.freshness) showFreshness(byId("layers"), seen.freshness, listed()?.state === "history");
}

// Controls

const marketId = (/** @type {import("./types.js").Market} */ { exchange, symbol }) => `${exchange} ${symbol}`;

function showMarkets() {
  const select = /** @type {HTMLSelectElement} */ (byId("market"));
  const exchanges = [...new Set(state.markets.map(({ exchange }) => exchange))];
  const option = (/** @type {ListedMarket} */ market) =>
    make("option", { value: marketId(market) }, market.symbol + (market.lastPrice === null ? " (no data yet)" : ""));
  update(
    select,
    ...exchanges.map((exchange) => make("optgroup", { label: exchange }, ...state.markets.filter((market) => market.exchange === exchange).map(option))),
  );
  // Only if it is another one: an open list would lose the place of who reads it.
  if (state.market && select.value !== marketId(state.market)) select.value = marketId(state.market);
  select.disabled = false;
}

function showPastChoice() {
  const { horizons } = /** @type {import("./types.js").About} */ (state.about);
  const options = [{ value: "0", text: "Off" }, ...horizons.map((minutes) => ({ value: String(minutes), text: horizon(minutes), label: `${horizon(minutes)}, made ${horizonWords(minutes)} ahead` }))];
  showSegments(byId("past"), options, String(state.past), (value) => {
    state.past = Number(value);
    prefer("past", value);
    remember();
    showPastChoice();
    session?.showPast(state.past);
  });
}

function showSpans() {
  showSegments(byId("spans"), SPANS.map((span) => ({ value: span, text: span, label: `${span}, the last ${spanWords(span)}` })), state.span, (span) => {
    state.span = span;
    prefer("span", span);
    remember();
    showSpans();
    drawScore();
    session?.refresh("trend");
  });
}

const shownChoices = () => state.choices.filter(({ id }) => state.chosen.has(id));
const lines = () => seriesOf(shownChoices(), state.catalog);
const columns = () => shownChoices().flatMap((choice) => choice.columns);

function showIndicatorMenu() {
  const isOver = (/** @type {Choice} */ { series }) => series[0].pane === "";
  const box = (/** @type {Choice} */ choice) =>
    make(
      "label",
      {},
      make("input", { type: "checkbox", checked: state.chosen.has(choice.id), onchange: () => toggle(choice.id) }),
      choice.label,
      choice.colour ? make("i", { className: `swatch line-${choice.colour}` }) : null,
    );
  byId("indicator-choice").replaceChildren(
    make("fieldset", {}, make("legend", {}, "Over the candles"), ...state.choices.filter(isOver).map(box)),
    make("fieldset", {}, make("legend", {}, "Below"), ...state.choices.filter((choice) => !isOver(choice)).map(box)),
  );
}

/** @param {string} id of a choice of indicators */
function toggle(id) {
  if (!state.chosen.delete(id)) state.chosen.add(id);
  prefer("indicators", [...state.chosen].join(","));
  remember();
  chart.showLines(lines());
  session?.showIndicators(columns());
  showPointed(seen.pointed);
  drawKey();
}

function showTheme() {
  const chosen = document.documentElement.dataset.theme;
  const isDark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  byId("theme").setAttribute("aria-label", isDark ? "Light theme" : "Dark theme");
  document.documentElement.classList.toggle("is-dark", isDark);
  chart.recolour();
}

function showZone() {
  setZone(preference("zone") ?? "UTC");
  const button = byId("zone");
  button.textContent = zoneName();
  button.setAttribute("aria-label", `Times are in ${zoneName()}; change`);
}

function wire() {
  const select = /** @type {HTMLSelectElement} */ (byId("market"));
  select.addEventListener("change", () => {
    const market = state.markets.find((candidate) => marketId(candidate) === select.value);
    if (market) open(market, state.timeframe);
  });
  byId("theme").addEventListener("click", () => {
    const next = document.documentElement.classList.contains("is-dark") ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    prefer("theme", next);
    showTheme();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
  byId("zone").addEventListener("click", () => {
    prefer("zone", preference("zone") === "local" ? null : "local");
    showZone();
    chart.recolour();
    showPointed(seen.pointed);
    showTables();
    drawForecasts();
  });
  byId("zoom-in").addEventListener("click", () => chart.zoom(0.7));
  byId("zoom-out").addEventListener("click", () => chart.zoom(1.4));
  byId("newest").addEventListener("click", () => {
    leaveMoment();
    chart.newest();
  });
  byId("save").addEventListener("click", saveSeen);
  byId("link").addEventListener("click", share);
  for (const id of ["chart-table", "past-table"]) byId(id).addEventListener("toggle", showTables);
  for (const part of /** @type {const} */ (["venues", "trend"])) {
    byId(part).addEventListener("toggle", () => {
      drawVenues();
      drawTrend();
      session?.refresh(part);
    });
  }
  const menu = /** @type {HTMLDetailsElement} */ (byId("indicator-menu"));
  const close = () => {
    menu.open = false;
  };
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !menu.open) return;
    close();
    menu.querySelector("summary")?.focus();
  });
  document.addEventListener("pointerdown", (event) => {
    if (menu.open && !menu.contains(/** @type {Node} */ (event.target))) close();
  });
  byId("forget-key").addEventListener("click", () => {
    storeKey(null);
    location.reload();
  });
  /** @type {ReturnType<typeof setTimeout> | null} */
  let unseen = null;
  let isPaused = false;
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") {
      unseen ??= setTimeout(() => {
        isPaused = true;
        session?.stop();
      }, UNSEEN);
      return;
    }
    if (unseen !== null) clearTimeout(unseen);
    unseen = null;
    if (isPaused) session?.start();
    isPaused = false;
  });
  setInterval(() => {
    drawFreshness();
    drawAge();
    if (seen.forecasts.length) drawForecasts();
  }, SECOND);
  setInterval(drawHeadlines, 60 * SECOND);
}
