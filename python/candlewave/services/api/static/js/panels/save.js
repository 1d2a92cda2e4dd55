/** What the chart shows as a file. Times are UTC whatever the page shows, and numbers are not rounded. */

/**
 * @typedef {import("../types.js").Bar} Bar
 * @typedef {import("../types.js").Outcome} Outcome
 */

/** @param {number} time */
export const utc = (time) => `${new Date(time).toISOString().slice(0, 19)}Z`;

/**
 * @param {Bar[]} bars oldest first
 * @param {string[]} names of indicators
 * @param {(bar: Bar) => Outcome | undefined} outcomeOf the past forecast for the end of a bar
 * @returns {string} a line per bar below a header
 */
export function csvOf(bars, names, outcomeOf) {
  const heads = ["open_time", "close_time", "open", "high", "low", "close", "volume", "trades", "is_open", ...names, "forecast_10", "forecast_50", "forecast_90", "is_inside"];
  const rows = bars.map((bar) => {
    const past = outcomeOf(bar);
    return [
      utc(bar.time),
      utc(bar.end),
      ...[bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades, bar.isOpen],
      ...names.map((name) => bar.values[name]),
      ...(past ? [past.low, past.middle, past.high, past.isCovered] : [null, null, null, null]),
    ];
  });
  // Numbers, times and yes or no: nothing that a comma or a formula could hide in.
  return `${[heads, ...rows].map((row) => row.map((value) => value ?? "").join(",")).join("\n")}\n`;
}

/**
 * Let the browser save a text.
 * @param {string} name of the file
 * @param {string} text
 */
export function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** @param {import("../types.js").Market} market @param {string} timeframe @param {number} time of the newest bar */
export const fileName = ({ exchange, symbol }, timeframe, time) =>
  `candlewave-${exchange}-${symbol.replace(/[^\p{L}\p{N}]+/gu, "-")}-${timeframe}-${utc(time).slice(0, 16).replace(/[-:]/g, "")}Z.csv`;
