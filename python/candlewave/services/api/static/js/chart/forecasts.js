/** Drawings of forecasts in the pane of the candles, as primitives of the chart library. */

import { horizon as horizonName } from "../format.js";

/**
 * @typedef {import("../types.js").Forecast} Forecast
 * @typedef {import("../types.js").Outcome} Outcome
 * @typedef {{x: (time: number) => number, timeAt: (logical: number) => number, length: () => number, colours: () => Record<string, string>,
 *   font: string}} Scale
 *   x: pixel of a time; timeAt: time of a position on the time axis; length: of a bar in milliseconds; font: family
 * @typedef {import("../../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs").ISeriesPrimitive<any>} Primitive
 * @typedef {import("../../vendor/lightweight-charts/lightweight-charts.standalone.production.mjs").SeriesAttachedParameter<any>} Attached
 * @typedef {{pen: CanvasRenderingContext2D, x: (time: number) => number, y: (price: number) => number, length: number, colours: Record<string, string>, font: string}} Frame
 */

/**
 * A drawing over time and price that keeps what it shows in view.
 * @template {{targetTime: number, low: number, high: number}} Item
 * @implements {Primitive}
 */
class Drawing {
  /** @type {Item[]} */
  items = [];
  /** @type {Attached | null} */
  #at = null;

  /**
   * @param {Scale} scale
   * @param {(frame: Frame, items: Item[]) => void} draw
   * @param {"bottom" | "normal" | "top"} order
   */
  constructor(scale, draw, order) {
    this.scale = scale;
    const renderer = {
      draw: (/** @type {{useMediaCoordinateSpace: (use: (space: {context: CanvasRenderingContext2D}) => void) => void}} */ target) =>
        target.useMediaCoordinateSpace(({ context }) => {
          const at = this.#at;
          if (!at || !this.items.length) return;
          const y = (/** @type {number} */ price) => at.series.priceToCoordinate(price) ?? 0;
          context.save();
          draw({ pen: context, x: scale.x, y, length: scale.length(), colours: scale.colours(), font: scale.font }, this.items);
          context.restore();
        }),
    };
    this.views = [{ renderer: () => renderer, zOrder: () => order }];
  }

  /** @param {Attached} parameters */
  attached(parameters) {
    this.#at = parameters;
  }

  detached() {
    this.#at = null;
  }

  paneViews() {
    return this.views;
  }

  /** @param {Item[]} items */
  show(items) {
    this.items = items;
    this.#at?.requestUpdate();
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  autoscaleInfo(from, to) {
    const begin = this.scale.timeAt(from);
    const end = this.scale.timeAt(to + 1);
    const seen = this.items.filter(({ targetTime }) => targetTime >= begin && targetTime <= end);
    const beyond = this.items.findIndex(({ targetTime }) => targetTime > end);
    if (beyond > 0) seen.push(between(this.items[beyond - 1], this.items[beyond], end));
    if (!seen.length) return null;
    return {
      priceRange: { minValue: Math.min(...seen.map(({ low }) => low)), maxValue: Math.max(...seen.map(({ high }) => high)) },
    };
  }
}

/**
 * The band where it leaves the view.
 * @template {{targetTime: number, low: number, high: number}} Item
 * @param {Item} before
 * @param {Item} after
 * @param {number} time between both
 * @returns {Item}
 */
function between(before, after, time) {
  const share = (time - before.targetTime) / (after.targetTime - before.targetTime);
  const low = before.low + share * (after.low - before.low);
  const high = before.high + share * (after.high - before.high);
  return { ...before, low, high };
}

/**
 * The newest forecasts: the 80 % band from now over all horizons, with its median.
 * @param {Scale} scale
 * @returns {Drawing<Forecast>} its items are sorted by horizon
 */
export const fan = (scale) => new Drawing(scale, drawFan, "top");

/**
 * Past forecasts of one horizon at the time they were for.
 * @param {Scale} scale
 * @returns {Drawing<Outcome>} its items are oldest first
 */
export const past = (scale) => new Drawing(scale, drawPast, "bottom");

/** @param {Frame} frame @param {Forecast[]} forecasts */
function drawFan({ pen, x, y, colours, font }, forecasts) {
  const [first] = forecasts;
  const start = { time: first.targetTime - first.horizon * 60e3, price: first.reference };
  const points = forecasts.filter(({ targetTime }) => targetTime > start.time);
  pen.lineJoin = "round";
  pen.strokeStyle = pen.fillStyle = colours.forecast;
  outline(pen, [
    [x(start.time), y(start.price)],
    ...points.map(({ targetTime, high }) => pair(x(targetTime), y(high))),
    ...points.map(({ targetTime, low }) => pair(x(targetTime), y(low))).reverse(),
  ]);
  pen.globalAlpha = 0.16;
  pen.fill();
  pen.globalAlpha = 0.55;
  pen.lineWidth = 1;
  pen.stroke();
  pen.globalAlpha = 1;
  pen.lineWidth = 1.75;
  pen.setLineDash([5, 4]);
  pen.beginPath();
  pen.moveTo(x(start.time), y(start.price));
  for (const { targetTime, middle } of points) pen.lineTo(x(targetTime), y(middle));
  pen.stroke();
  pen.setLineDash([]);
  for (const { targetTime, low, middle, high } of points) {
    pen.globalAlpha = 0.55;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x(targetTime), y(low));
    pen.lineTo(x(targetTime), y(high));
    pen.stroke();
    pen.globalAlpha = 1;
    dot(pen, x(targetTime), y(middle), 3);
    pen.fill();
  }
  nameHorizons(pen, points.map(({ horizon, targetTime, high }) => ({ name: horizonName(horizon), x: x(targetTime), y: y(high) })), font);
}

/**
 * Name the ends of the band, the longest first; a name for which there is no room is left out.
 * @param {CanvasRenderingContext2D} pen
 * @param {{name: string, x: number, y: number}[]} ends by horizon
 * @param {string} font family
 */
function nameHorizons(pen, ends, font) {
  pen.font = `600 11px ${font}`;
  pen.textAlign = "center";
  pen.textBaseline = "bottom";
  let free = Infinity;
  for (const { name, x, y } of [...ends].reverse()) {
    const half = pen.measureText(name).width / 2;
    if (x + half > free) continue;
    pen.fillText(name, x, y - 4);
    free = x - half - 6;
  }
}

/**
 * The band that past forecasts gave for each time, and a ring where the price came outside of it.
 * @param {Frame} frame
 * @param {Outcome[]} outcomes
 */
function drawPast({ pen, x, y, length, colours }, outcomes) {
  pen.lineJoin = "round";
  pen.lineWidth = 1;
  for (const run of runs(outcomes, length)) {
    pen.strokeStyle = pen.fillStyle = colours.forecast;
    outline(pen, [
      ...run.map(({ targetTime, high }) => pair(x(targetTime), y(high))),
      ...run.map(({ targetTime, low }) => pair(x(targetTime), y(low))).reverse(),
    ]);
    pen.globalAlpha = 0.13;
    pen.fill();
    pen.globalAlpha = 0.4;
    pen.stroke();
    pen.globalAlpha = 1;
  }
  pen.strokeStyle = colours.miss;
  pen.lineWidth = 1.5;
  for (const { targetTime, realised, isCovered } of outcomes) {
    if (isCovered !== false || realised === null) continue;
    dot(pen, x(targetTime), y(realised), 3);
    pen.stroke();
  }
}

/**
 * Forecasts between which none is missing, or only one; there is one for each bar.
 * @param {Outcome[]} outcomes
 * @param {number} length of a bar in milliseconds
 */
function runs(outcomes, length) {
  /** @type {Outcome[][]} */
  const found = [];
  for (const outcome of outcomes) {
    const run = found.at(-1);
    const before = run?.at(-1);
    if (run && before && outcome.targetTime - before.targetTime <= length * 2) run.push(outcome);
    else found.push([outcome]);
  }
  return found;
}

/** @param {number} x @param {number} y @returns {[number, number]} */
const pair = (x, y) => [x, y];

/** @param {CanvasRenderingContext2D} pen @param {[number, number][]} points */
function outline(pen, points) {
  pen.beginPath();
  for (const [n, [x, y]] of points.entries()) {
    if (n) pen.lineTo(x, y);
    else pen.moveTo(x, y);
  }
  pen.closePath();
}

/** @param {CanvasRenderingContext2D} pen @param {number} x @param {number} y @param {number} radius */
function dot(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
}
