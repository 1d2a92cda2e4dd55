/** What can be shown over the candles and below them, from the indicators that exist. */

import { quantity } from "../format.js";

/**
 * @typedef {import("../types.js").Bar} Bar
 * @typedef {import("../types.js").Indicator} Indicator
 * @typedef {{id: string, label: string, colour?: string, columns: string[], isShown: boolean, series: Series[]}} Choice
 *   columns: indicators that it needs; isShown: without a preference
 * @typedef {{read: (bar: Bar) => number | null | undefined, label: string, colour: string, isDashed?: boolean,
 *   isColumn?: boolean, pane: string, range?: [number, number], marks?: number[], text?: (value: number) => string, warmUp?: number}} Series
 *   pane: its title, "" is the pane of the candles; range and marks of the pane's axis; without `text` it is a price;
 *   colour: a name of tokens.css, "bar" is that of the candle, "sign" that of the value's sign; warmUp: bars before its
 *   value says something
 */

/**
 * Whether a bar's value of an indicator comes from too few bars.
 * @param {Series} series
 * @param {Bar} bar
 */
export const isWarming = ({ warmUp }, bar) => warmUp !== undefined && (bar.values.warm_bars ?? Infinity) < warmUp;

/**
 * The series of choices, with the bars that they want.
 * @param {Choice[]} chosen
 * @param {Map<string, Indicator>} catalog by name
 * @returns {Series[]}
 */
export const seriesOf = (chosen, catalog) =>
  chosen.flatMap(({ series, columns }) => {
    const warmUp = Math.max(...columns.map((name) => catalog.get(name)?.warmUp ?? 0));
    return columns.length ? series.map((one) => ({ ...one, warmUp })) : series;
  });

/** Over the candles: kind of indicator, number of its parameters. @type {[string, number][]} */
const AVERAGES = [["ema", 1], ["sma", 1], ["vwap", 1]];
const COLOURS = ["one", "two", "three", "four"];

/**
 * Say what can be chosen. The names of indicators carry their parameters, so they are recognised by how they start.
 * @param {string[]} names of all indicators
 * @param {string} base asset that volume is counted in
 * @param {Map<string, Indicator>} catalog by name
 * @returns {Choice[]}
 */
export function choices(names, base, catalog) {
  const averages = AVERAGES.flatMap(([kind, parameters]) => named(names, kind, parameters));
  const found = [
    ...averages.map((name, n) => average(name, n)),
    ...named(names, "bollinger_upper").flatMap((upper) => band(names, upper)),
    volume(base),
    ...named(names, "rsi").map((name, n) => oscillator(n ? name : "rsi", name, [30, 70])),
    ...named(names, "macd", 3).flatMap((name, n) => macd(names, name, n ? name : "macd")),
    ...named(names, "adx").map((name, n) => oscillator(n ? name : "adx", name, [25, 50])),
    ...named(names, "realised_volatility").map(volatility),
  ];
  const covered = new Set(found.flatMap(({ columns }) => columns));
  const others = names.filter((name) => catalog.get(name)?.isEntry && !covered.has(name));
  return [...found, ...others.map((name, n) => entry(name, /** @type {Indicator} */ (catalog.get(name)), n))];
}

/**
 * @param {string[]} names
 * @param {string} kind
 * @param {number} [parameters]
 */
function named(names, kind, parameters = 1) {
  const pattern = new RegExp(`^${kind}${"_[0-9]+".repeat(parameters)}$`);
  return names.filter((name) => pattern.test(name));
}

/** @param {string} name such as ema_12 */
function title(name) {
  const [kind, ...parameters] = name.split("_");
  return `${kind.toUpperCase()} ${parameters.join(" ")}`;
}

/** @param {string} name @returns {(bar: Bar) => number | null | undefined} */
const value = (name) => (bar) => bar.values[name];

/** @param {string} name @param {number} n @returns {Choice} */
function average(name, n) {
  const colour = COLOURS[n % COLOURS.length];
  const label = title(name);
  // A second round of colours is dashed, so that no two lines look alike.
  const isDashed = n >= COLOURS.length;
  return { id: name, label, colour, columns: [name], isShown: n === 0, series: [{ read: value(name), label, colour, isDashed, pane: "" }] };
}

/** @param {string[]} names @param {string} upper @returns {Choice[]} */
function band(names, upper) {
  const lower = upper.replace("upper", "lower");
  if (!names.includes(lower)) return [];
  const label = `Bollinger ${upper.split("_").at(-1)}`;
  const line = { colour: "four", isDashed: true, pane: "" };
  const series = [
    { ...line, label: `${label} high`, read: value(upper) },
    { ...line, label: `${label} low`, read: value(lower) },
  ];
  return [{ id: "bollinger", label, colour: "four", columns: [upper, lower], isShown: false, series }];
}

/** @param {string} base @returns {Choice} */
function volume(base) {
  const pane = base ? `Volume, ${base}` : "Volume";
  const series = [{ read: (/** @type {Bar} */ bar) => bar.volume, label: "Volume", colour: "bar", isColumn: true, pane, text: quantity }];
  return { id: "volume", label: "Volume", columns: [], isShown: true, series };
}

/** @param {string} id @param {string} name @param {number[]} marks @returns {Choice} */
function oscillator(id, name, marks) {
  const label = title(name);
  /** @type {[number, number]} */
  const range = [0, 100];
  const text = (/** @type {number} */ number) => number.toFixed(0);
  return { id, label, columns: [name], isShown: id === "rsi", series: [{ read: value(name), label, colour: "two", pane: label, range, marks, text }] };
}

/** @param {string[]} names @param {string} name @param {string} id @returns {Choice[]} */
function macd(names, name, id) {
  const signal = name.replace("macd", "macd_signal");
  const histogram = name.replace("macd", "macd_hist");
  if (!names.includes(signal) || !names.includes(histogram)) return [];
  const label = title(name);
  const shared = { pane: label, text: quantity };
  const series = [
    { ...shared, read: value(histogram), label: "Histogram", colour: "sign", isColumn: true },
    { ...shared, read: value(name), label: "MACD", colour: "two" },
    { ...shared, read: value(signal), label: "Signal", colour: "one", isDashed: true },
  ];
  return [{ id, label, columns: [name, signal, histogram], isShown: false, series }];
}

/** @param {string} name @returns {Choice} */
function volatility(name) {
  const label = `Volatility of ${name.split("_").at(-1)} bars`;
  const text = (/** @type {number} */ ratio) => `${(ratio * 100).toFixed(2)}\u202f%`;
  return { id: "volatility", label, columns: [name], isShown: false, series: [{ read: value(name), label, colour: "two", pane: label, text }] };
}

/**
 * An indicator of `[[indicators.own]]` that has no drawing of its own: a price over the candles, anything else below.
 * @param {string} name
 * @param {Indicator} about
 * @param {number} n
 * @returns {Choice}
 */
function entry(name, { unit }, n) {
  const label = title(name);
  const colour = COLOURS[n % COLOURS.length];
  const isOver = unit === "price";
  const text = (/** @type {number} */ number) => (unit === "bounded" ? number.toFixed(1) : quantity(number));
  const line = isOver ? { pane: "", isDashed: true } : { pane: label, text };
  return { id: name, label, colour, columns: [name], isShown: false, series: [{ ...line, read: value(name), label, colour }] };
}
