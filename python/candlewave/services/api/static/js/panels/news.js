/** Sentiment of the news about the market's base asset. */

import { make, makeSvg, update } from "../dom.js";
import { dayAndClock, duration, signed } from "../format.js";

/**
 * @typedef {import("../types.js").Mood} Mood
 * @typedef {import("../types.js").Headline} Headline
 */

const HEIGHT = 56;

/**
 * @param {HTMLElement} host
 * @param {string} asset
 * @param {Mood[]} mood oldest first
 */
export function showMood(host, asset, mood) {
  if (!mood.length) {
    update(
      host,
      make("p", { className: "empty" }, `No scored news about ${asset}. `, make("code", {}, "candlewave sentiment-extractor"), " reads feeds and scores them."),
    );
    return;
  }
  const newest = mood[mood.length - 1];
  const [from, to] = [mood[0].time, newest.time];
  const x = (/** @type {number} */ time) => ((time - from) / (to - from || 1)) * 1000;
  const y = (/** @type {number} */ value) => HEIGHT / 2 - value * (HEIGHT / 2 - 2);
  const line = mood.map(({ time, value }) => `${x(time).toFixed(1)},${y(value).toFixed(2)}`).join(" ");
  const span = duration(to - from);
  const words = `Sentiment of ${asset} over the last ${span}: now ${signed(newest.value)}, between ${signed(Math.min(...mood.map(({ value }) => value)))} and ${signed(Math.max(...mood.map(({ value }) => value)))}`;
  update(
    host,
    make(
      "div",
      { className: "mood-row" },
      make("p", { className: `mood-now ${newest.value > 0 ? "rise" : newest.value < 0 ? "fall" : ""}` }, signed(newest.value), make("small", {}, "from −1 to +1, half-life 6 h")),
      make(
        "figure",
        {},
        makeSvg(
          "svg",
          { class: "mood", viewBox: `0 0 1000 ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": words },
          makeSvg("line", { class: "zero", x1: 0, x2: 1000, y1: HEIGHT / 2, y2: HEIGHT / 2 }),
          makeSvg("polyline", { class: "mood-line", points: line }),
        ),
        make("small", { "aria-hidden": "true" }, `the last ${span}`),
      ),
    ),
  );
}

/**
 * @param {HTMLElement} host
 * @param {Headline[]} headlines newest first
 * @param {number} now
 */
export function showHeadlines(host, headlines, now) {
  update(
    host,
    ...headlines.map(({ title, url, source, published, score }) =>
      make(
        "li",
        {},
        make("span", { className: `score ${score > 0.05 ? "rise" : score < -0.05 ? "fall" : "quiet"}`, title: "Score from −1 to +1" }, signed(score)),
        isWeb(url) ? make("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, title) : make("span", {}, title),
        make("small", {}, source, " · ", make("time", { datetime: new Date(published).toISOString(), title: dayAndClock(published) }, `${duration(now - published)} ago`)),
      ),
    ),
  );
}

/** Feeds are written by strangers: only addresses of the web become links. @param {string} address */
function isWeb(address) {
  return URL.canParse(address) && ["https:", "http:"].includes(new URL(address).protocol);
}
