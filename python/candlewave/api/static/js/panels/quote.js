/** The words and numbers around the chart. */

import { byId, make } from "../dom.js";
import { dayAndClock, horizon, horizonWords, percent, price, priceDigits, quantity } from "../format.js";

/**
 * @typedef {import("../types.js").Bar} Bar
 * @typedef {import("../types.js").Outcome} Outcome
 * @typedef {import("../chart/indicators.js").Series} Series
 */

/**
 * The newest price, also in the tab's title, and how it changed over a day.
 * @param {import("../types.js").ListedMarket} market
 * @param {number | null} last
 * @param {import("../types.js").Day | null} day
 */
export function showQuote(market, last, day) {
  byId("price").replaceChildren(price(last), make("small", {}, ` ${market.quote}`));
  document.title = last === null ? `${market.symbol} · candlewave` : `${price(last)} ${market.symbol} · candlewave`;
  const change = byId("change");
  if (last === null || !day) {
    change.replaceChildren();
    return;
  }
  const ratio = last / day.reference - 1;
  const digits = priceDigits(last);
  const since = day.isWhole ? "in 24 h" : `since ${dayAndClock(day.from)}`;
  change.replaceChildren(
    make("b", { className: ratio > 0 ? "rise" : ratio < 0 ? "fall" : "" }, percent(ratio, 2, true)),
    ` ${since} · low ${price(Math.min(day.low, last), digits)} · high ${price(Math.max(day.high, last), digits)}`,
  );
}

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
    host.replaceChildren();
    return;
  }
  const digits = priceDigits(bar.close);
  const entry = (/** @type {string} */ name, /** @type {string} */ value) => make("span", {}, `${name} `, make("b", {}, value));
  const indicator = (/** @type {Series} */ { label, read, text, colour }) => {
    const value = read(bar) ?? (bar.isOpen && valued ? read(valued) : null);
    const known = value === null || value === undefined ? "–" : text ? text(value) : price(value, digits);
    return make("span", {}, make("i", { className: `line-${colour}` }), `${label} `, make("b", {}, known));
  };
  const band = outcome ? `${price(outcome.low, digits)} to ${price(outcome.high, digits)}` : "–";
  host.replaceChildren(
    make("span", {}, make("b", {}, dayAndClock(bar.time)), bar.isOpen ? " open" : ""),
    entry("O", price(bar.open, digits)),
    entry("H", price(bar.high, digits)),
    entry("L", price(bar.low, digits)),
    entry("C", price(bar.close, digits)),
    ...lines.map(indicator),
    // Always there, so that nothing moves while the pointer does.
    ...(ahead ? [entry(`${horizon(ahead)} ahead`, band)] : []),
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
 */
export function showKey(host, hasForecasts, hasMisses) {
  const entries = [["k-up", "rose"], ["k-down", "fell"]];
  if (hasForecasts) entries.push(["k-fan", "80 % of outcomes should fall in the band"], ["k-hit", "median"]);
  if (hasMisses) entries.push(["k-miss", "came outside the band"]);
  const mark = (/** @type {string} */ look) => make("i", { className: look, "aria-hidden": "true" });
  host.replaceChildren(...entries.map(([look, text]) => make("li", {}, mark(look), text)));
}
