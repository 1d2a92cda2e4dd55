/** Skill and calibration of what is served, hour by hour. */

import { make, makeSvg, makeTable, update } from "../dom.js";
import { dayAndClock, horizon, percent } from "../format.js";

/**
 * @typedef {import("../types.js").Score} Score
 * @typedef {{time: number, value: number}} Point
 */

const WIDTH = 200;
const HEIGHT = 36;
const HOUR = 36e5;
/** What the band should hold. */
const AIM = 0.8;

/**
 * @param {HTMLElement} host
 * @param {Map<number, Score[]>} histories of what is served, oldest first, by horizon
 */
export function showTrend(host, histories) {
  const rows = [...histories]
    .sort(([a], [b]) => a - b)
    .map(([minutes, scores]) => {
      const isBaseline = scores.at(-1)?.model === "baseline";
      return [
        horizon(minutes),
        isBaseline ? "–" : line(points(scores, "skill"), 0, `Skill at ${horizon(minutes)}`, (value) => percent(value, 1, true)),
        line(points(scores, "coverage"), AIM, `Outcomes in the band at ${horizon(minutes)}`, (value) => percent(value, 0)),
      ];
    });
  const times = [...histories.values()].flatMap((scores) => scores.map(({ hour }) => hour));
  const caption = times.length ? `From ${dayAndClock(Math.min(...times))} to ${dayAndClock(Math.max(...times) + HOUR)}` : "Nothing judged yet";
  update(
    host,
    makeTable(caption, ["Ahead", "Skill", "Band"], rows),
    make("p", { className: "foot" }, "Each point is over the chosen time before it. The dotted line: no skill, and 80 % in the band. The baseline has no skill to draw: skill is measured against it."),
  );
}

/**
 * @param {Score[]} scores
 * @param {"skill" | "coverage"} figure
 * @returns {Point[]}
 */
const points = (scores, figure) => scores.flatMap(({ hour, [figure]: value }) => (value === null ? [] : [{ time: hour, value }]));

/**
 * @param {Point[]} drawn oldest first
 * @param {number} mark a value that is drawn as a dotted line
 * @param {string} what
 * @param {(value: number) => string} text
 */
function line(drawn, mark, what, text) {
  const newest = drawn.at(-1);
  if (!newest) return "–";
  const values = drawn.map(({ value }) => value);
  const [low, high] = [Math.min(mark, ...values), Math.max(mark, ...values)];
  const [from, to] = [drawn[0].time, newest.time];
  const x = (/** @type {number} */ time) => ((time - from) / (to - from || 1)) * WIDTH;
  const y = (/** @type {number} */ value) => HEIGHT - 2 - ((value - low) / (high - low || 1)) * (HEIGHT - 4);
  const hours = Math.round((to - from) / HOUR) + 1;
  const words = `${what} over ${hours} ${hours === 1 ? "hour" : "hours"}: now ${text(newest.value)}, between ${text(Math.min(...values))} and ${text(Math.max(...values))}`;
  return make(
    "span",
    { className: "trend" },
    makeSvg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": words },
      makeSvg("line", { class: "zero", x1: 0, x2: WIDTH, y1: y(mark), y2: y(mark) }),
      makeSvg("polyline", { class: "mood-line", points: drawn.map(({ time, value }) => `${x(time).toFixed(1)},${y(value).toFixed(1)}`).join(" ") }),
    ),
    make("small", { "aria-hidden": "true" }, text(newest.value)),
  );
}
