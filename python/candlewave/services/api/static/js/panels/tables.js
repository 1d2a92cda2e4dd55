/** The chart's numbers as tables. */

import { isWarming } from "../chart/indicators.js";
import { make, makeTable, update } from "../dom.js";
import { dayAndClock, price, priceDigits, quantity } from "../format.js";
import { WARMING } from "./quote.js";

const ROWS = 40;

/**
 * @param {HTMLElement} host
 * @param {import("../types.js").Bar[]} bars oldest first
 * @param {import("../chart/indicators.js").Series[]} lines
 */
export function showBars(host, bars, lines) {
  const digits = priceDigits(bars.at(-1)?.close ?? 1);
  const columns = lines.filter(({ label }) => label !== "Volume");
  const rows = bars
    .slice(-ROWS)
    .reverse()
    .map((bar) => [
      dayAndClock(bar.time) + (bar.isOpen ? " (open)" : ""),
      ...[bar.open, bar.high, bar.low, bar.close].map((value) => price(value, digits)),
      quantity(bar.volume),
      String(bar.trades),
      ...columns.map((series) => cell(series.read(bar), series.text, digits) + (isWarming(series, bar) ? WARMING : "")),
    ]);
  const heads = ["Opens", "Open", "High", "Low", "Close", "Volume", "Trades", ...columns.map(({ label }) => label)];
  update(host, makeTable(`The newest ${rows.length} candles, newest first`, heads, rows, new Set(heads.map((_, n) => n).slice(1))));
}

/**
 * @param {number | null | undefined} value
 * @param {((value: number) => string) | undefined} text
 * @param {number} digits
 */
function cell(value, text, digits) {
  if (value === null || value === undefined) return "–";
  return text ? text(value) : price(value, digits);
}

/**
 * @param {HTMLElement} host
 * @param {import("../types.js").Outcome[]} outcomes oldest first
 */
export function showOutcomes(host, outcomes) {
  if (!outcomes.length) {
    update(host, make("p", { className: "empty" }, "None yet: this market has not been forecast so far ahead."));
    return;
  }
  const digits = priceDigits(outcomes.at(-1)?.reference ?? 1);
  const rows = outcomes
    .slice(-ROWS)
    .reverse()
    .map(({ targetTime, low, middle, high, realised, isCovered }) => [
      dayAndClock(targetTime),
      ...[low, middle, high, realised].map((value) => price(value, digits)),
      isCovered === null ? "not known yet" : isCovered ? "inside" : "outside",
    ]);
  const heads = ["For", "10 %", "Median", "90 %", "Realised", "Band"];
  update(
    host,
    makeTable(`The newest ${rows.length} forecasts, newest first`, heads, rows, new Set([1, 2, 3, 4])),
    make("p", { className: "foot" }, "For: the time that was forecast. 10 %, Median, 90 %: quantiles of the forecast. Realised: the close at that time. Band: whether it lay between the 10 % and the 90 % quantile."),
  );
}
