/** The newest forecasts: one line per horizon, all on one scale. */

import { make, makeSvg, update } from "../dom.js";
import { clock, dayAndClock, duration, horizon, horizonWords, percent, price, priceDigits } from "../format.js";

/** @typedef {import("../types.js").Forecast} Forecast */

/** There is a forecast each minute; an older one than this is late. */
const LATE = 180e3;
/** Less is shown as nothing. */
const MIN_CHANGE = 5e-6;
const DAY = 864e5;

/**
 * @param {HTMLElement} host
 * @param {Forecast[]} forecasts by horizon
 * @param {number | null} last newest price
 * @param {number} now milliseconds since 1970
 */
export function showForecasts(host, forecasts, last, now) {
  if (!forecasts.length) {
    update(
      host,
      make("p", { className: "empty" }, "No forecast for this market yet. ", make("code", {}, "candlewave price-predictor"), " makes one each minute, once the market has an hour of candles."),
    );
    return;
  }
  const at = last ?? forecasts[0].reference;
  const lowest = Math.min(at, ...forecasts.map(({ low }) => low));
  const highest = Math.max(at, ...forecasts.map(({ high }) => high));
  /** @param {number} value @returns {string} place on the common scale */
  const place = (value) => `${(3 + ((value - lowest) / (highest - lowest || 1)) * 94).toFixed(2)}%`;
  const digits = priceDigits(at);
  const list = make("ul", { className: "forecasts" }, ...forecasts.map((forecast) => row(forecast, at, now, digits, place)));
  update(host, list, make("p", { className: "foot reference" }, `Percentages: the median against ${references(forecasts, digits)}.`));
}

/**
 * What the forecasts start from. Horizons have the same close unless one of them is late.
 * @param {Forecast[]} forecasts
 * @param {number} digits
 */
function references(forecasts, digits) {
  const made = (/** @type {Forecast} */ { targetTime, horizon: minutes }) => targetTime - minutes * 60e3;
  const told = (/** @type {Forecast} */ one) => `${price(one.reference, digits)} at ${when(made(one))}`;
  const same = forecasts.every((one) => one.reference === forecasts[0].reference && made(one) === made(forecasts[0]));
  if (same) return `the close of ${told(forecasts[0])}`;
  return `each forecast's close (${forecasts.map((one) => `${horizon(one.horizon)}: ${told(one)}`).join(", ")})`;
}

/** A time of day, with its date when that is another day's. @param {number} time */
const when = (time) => (Math.abs(Date.now() - time) > DAY ? dayAndClock(time) : clock(time));

/**
 * @param {Forecast} forecast
 * @param {number} at price now
 * @param {number} now
 * @param {number} digits
 * @param {(value: number) => string} place
 */
function row(forecast, at, now, digits, place) {
  const { low, middle, high, targetTime, reference } = forecast;
  const isDue = targetTime <= now;
  const isInside = at >= low && at <= high;
  const change = middle / reference - 1;
  const words =
    `80 % between ${price(low, digits)} and ${price(high, digits)}, median ${price(middle, digits)}; ` +
    `the price is ${isInside ? "inside" : "outside"} now`;
  return make(
    "li",
    { "data-inside": isInside },
    make("h3", { "aria-label": `In ${horizonWords(forecast.horizon)}` }, horizon(forecast.horizon), make("small", {}, isDue ? "due" : when(targetTime))),
    make(
      "div",
      {},
      range(words, place(low), place(middle), place(high), place(at), isInside),
      make("p", { className: "ends", "aria-hidden": "true" }, make("span", {}, price(low, digits)), make("span", {}, price(high, digits))),
    ),
    make(
      "p",
      { className: "middle" },
      price(middle, digits),
      make("small", { className: change >= MIN_CHANGE ? "rise" : change <= -MIN_CHANGE ? "fall" : "quiet" }, percent(change, 3, true)),
    ),
  );
}

/**
 * @param {string} words
 * @param {string} low
 * @param {string} middle
 * @param {string} high
 * @param {string} at
 * @param {boolean} isInside
 */
function range(words, low, middle, high, at, isInside) {
  const width = `${(Number.parseFloat(high) - Number.parseFloat(low)).toFixed(2)}%`;
  return makeSvg(
    "svg",
    { class: "range", role: "img", "aria-label": words },
    makeSvg("rect", { class: "rail", x: "0", y: "9", width: "100%", height: "2", rx: "1" }),
    makeSvg("rect", { class: "band", x: low, y: "4", width, height: "12", rx: "3" }),
    makeSvg("line", { class: isInside ? "now" : "now outside", x1: at, x2: at, y1: "1", y2: "19" }),
    makeSvg("circle", { class: "median", cx: middle, cy: "10", r: "3.5" }),
  );
}

/**
 * Who forecasts, and since when, in a few words.
 * @param {Forecast[]} forecasts
 * @param {number} now
 * @returns {Node[]}
 */
export function forecastNote(forecasts, now) {
  if (!forecasts.length) return [];
  const newest = Math.max(...forecasts.map(({ madeAt }) => madeAt));
  const models = [...new Set(forecasts.map(modelName))];
  const isLate = now - newest > LATE;
  const age = `made ${duration(now - newest)} ago`;
  return [make("span", {}, `${models.join(", ")} · ${partsNote(forecasts)}`), make("span", { className: isLate ? "late" : "" }, isLate ? `${age}, late` : age)];
}

/**
 * Where only the median or only the band of a model is served.
 * @param {Forecast[]} forecasts
 */
function partsNote(forecasts) {
  const at = (/** @type {(of: Forecast) => boolean} */ isSo) =>
    forecasts.filter((of) => of.model !== "baseline" && isSo(of)).map((of) => horizon(of.horizon)).join(", ");
  const still = at(({ medianBy }) => medianBy === "baseline");
  const wide = at(({ bandBy }) => bandBy === "baseline");
  return (still ? `last price as median at ${still} · ` : "") + (wide ? `baseline's band at ${wide} · ` : "");
}

/** @param {{model: string, version: string}} of */
export const modelName = ({ model, version }) => (model === "baseline" ? "baseline" : `${model} ${version}`);
