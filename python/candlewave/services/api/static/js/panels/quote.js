/** The words and numbers around the chart. */

import { isWarming } from "../chart/indicators.js";
import { byId, make, update } from "../dom.js";
import { dayAndClock, duration, horizon, horizonWords, percent, price, priceDigits, quantity } from "../format.js";

/**
 * @typedef {import("../types.js").Bar} Bar
 * @typedef {import("../types.js").Outcome} Outcome
 * @typedef {import("../chart/indicators.js").Series} Series
 */

/** A market without a trade for this long is quiet, or its feed is dead: its price is an old one. */
const QUIET = 300e3;

/**
 * The newest price, also in the tab's title, and how it changed over a day.
 * @param {import("../types.js").ListedMarket} market
 * @param {number | null} last
 * @param {import("../types.js").Day | null} day
 */
export function showQuote(market, last, day) {
  update(byId("price"), document.createTextNode(price(last)), make("small", {}, ` ${market.quote}`));
  document.title = last === null ? `${market.symbol} · candlewave` : `${price(last)} ${market.symbol} · candlewave`;
  const change = byId("change");
  if (last === null || !day) {
    update(change);
    return;
  }
  const ratio = last / day.reference - 1;
  const digits = priceDigits(last);
  const since = day.isWhole ? "in 24 h" : `since ${dayAndClock(day.from)}`;
  update(
    change,
    make("b", { className: ratio > 0 ? "rise" : ratio < 0 ? "fall" : "" }, percent(ratio, 2, true)),
    document.createTextNode(` ${since} · low ${price(Math.min(day.low, last), digits)} · high ${price(Math.max(day.high, last), digits)}`),
  );
}

/**
 * That the price is an old one.
 * @param {number | null} traded time of the newest trade
 * @param {number} now
 */
export function showAge(traded, now) {
  const host = byId("quiet-since");
  host.hidden = traded === null || now - traded < QUIET;
  if (traded !== null && !host.hidden) update(host, document.createTextNode(`no trade for ${duration(now - traded)}`));
}

/** Characters of most quantities. */
const LONGEST_QUANTITY = 8;
/** Of 100. */
const LONGEST_SHARE = 3;
/** Marks a value that comes from too few bars. */
export const WARMING = "*";
const WARMING_WORDS = `${WARMING} from fewer bars than three periods of the indicator: its value may still change much`;
/** As wide as a digit. */
const FIGURE_SPACE = "\u2007";

/**
 * The numbers of a bar.
 * @param {HTMLElement} host
 * @param {Bar | undefined} bar
 * @param {Bar | undefined} valued newest bar with indicators: they are of closed bars, so the open one has none
 * @param {Series[]} lines
 * @param {number} ahead minutes of the past forecasts; 0: none
 * @param {Outcome | undefined} outcome forecast for the end of the bar
 */
export function showLegend(host, bar, valued, lines, ahead, outcome) {
  if (!bar) {
    update(host);
    return;
  }
  const digits = priceDigits(bar.close);
  // Each has room for its longest value, so that lines do not break elsewhere, and nothing moves, while the pointer does.
  const entry = (/** @type {string} */ name, /** @type {string} */ value, room = 0) => make("span", {}, `${name} `, make("b", {}, value.padEnd(room, FIGURE_SPACE)));
  const widest = price(bar.high, digits).length;
  const indicator = (/** @type {Series} */ series) => {
    const { label, read, text, colour, range } = series;
    const of = bar.isOpen && valued && (read(bar) ?? null) === null ? valued : bar;
    const value = read(of);
    const known = value === null || value === undefined ? "–" : (text ? text(value) : price(value, digits)) + (isWarming(series, of) ? WARMING : "");
    const told = entry(label, known, 1 + (range ? LONGEST_SHARE : text ? LONGEST_QUANTITY : widest));
    told.prepend(make("i", { className: `line-${colour}` }));
    return told;
  };
  const band = outcome ? `${price(outcome.low, digits)} to ${price(outcome.high, digits)}` : "–";
  update(
    host,
    make("span", {}, make("b", {}, dayAndClock(bar.time)), make("span", { className: bar.isOpen ? "" : "unseen" }, " open")),
    entry("O", price(bar.open, digits), widest),
    entry("H", price(bar.high, digits), widest),
    entry("L", price(bar.low, digits), widest),
    entry("C", price(bar.close, digits), widest),
    ...lines.map(indicator),
    ...(ahead ? [entry(`${horizon(ahead)} ahead`, band, 2 * widest + " to ".length)] : []),
  );
}

/**
 * A bar in words.
 * @param {Bar} bar
 * @param {Outcome | undefined} outcome forecast for its end
 */
export function describe(bar, outcome) {
  const digits = priceDigits(bar.close);
  const told = (/** @type {number} */ value) => price(value, digits);
  const words = [
    `${dayAndClock(bar.time)}${bar.isOpen ? ", still open" : ""}: open ${told(bar.open)}, high ${told(bar.high)},`,
    `low ${told(bar.low)}, close ${told(bar.close)}, volume ${quantity(bar.volume)}`,
  ];
  if (!outcome) return words.join(" ");
  const end = outcome.isCovered === null ? "" : outcome.isCovered ? ", it held" : ", it did not hold";
  const ahead = horizonWords(outcome.horizon);
  return `${words.join(" ")}. The forecast made ${ahead} ahead was ${told(outcome.low)} to ${told(outcome.high)}${end}`;
}

/**
 * What the colours and shapes of the chart mean.
 * @param {HTMLElement} host
 * @param {boolean} hasForecasts
 * @param {boolean} hasMisses
 * @param {boolean} isWarmingUp whether values are marked
 */
export function showKey(host, hasForecasts, hasMisses, isWarmingUp) {
  const entries = [["k-up", "rose"], ["k-down", "fell"]];
  if (hasForecasts) entries.push(["k-fan", "80 % of outcomes should fall in the band"], ["k-hit", "median"]);
  if (hasMisses) entries.push(["k-miss", "came outside the band"]);
  const mark = (/** @type {string} */ look) => make("i", { className: look, "aria-hidden": "true" });
  const warming = isWarmingUp ? [make("li", {}, WARMING_WORDS)] : [];
  update(host, ...entries.map(([look, text]) => make("li", {}, mark(look), text)), ...warming);
}
