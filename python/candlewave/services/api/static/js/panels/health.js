/** How far each layer of the pipeline has come, and the alerts. */

import { make, update } from "../dom.js";
import { dayAndClock, duration } from "../format.js";

/**
 * @typedef {import("../types.js").Freshness} Freshness
 * @typedef {import("../types.js").Alert} Alert
 */

/** What a layer is, and the age in milliseconds from which it is late. @type {Record<string, [string, number]>} */
const LAYERS = {
  trades: ["from the exchange", 60e3],
  candles: ["newest closed minute", 180e3],
  indicators: ["of closed candles", 180e3],
  features: ["what models see", 180e3],
  sentiment: ["scored news", 600e3],
  predictions: ["newest forecast", 180e3],
};

/** Alerts that are shown. */
const MOST = 6;

/**
 * @param {HTMLElement} host a list of terms
 * @param {Freshness} freshness
 * @param {boolean} isHistory nothing new is expected
 * @returns {number} layers that are late
 */
export function showFreshness(host, { readAt, layers }, isHistory) {
  const passed = performance.now() - readAt;
  let late = 0;
  const rows = layers.map(({ layer, age }) => {
    const [words, limit] = LAYERS[layer] ?? ["", 180e3];
    const state = age === null || (isHistory && age + passed > limit) ? "none" : age + passed > limit ? "late" : "fresh";
    if (state === "late") late += 1;
    const value = age === null ? "nothing yet" : duration(age + passed);
    return make(
      "div",
      { "data-state": state, "data-layer": layer },
      make("dt", {}, make("span", { className: "dot", "aria-hidden": "true" }), layer[0].toUpperCase() + layer.slice(1), make("small", {}, words)),
      make("dd", {}, value, state === "late" ? make("small", {}, "late") : null),
    );
  });
  update(host, ...rows);
  return late;
}

/**
 * @param {HTMLElement} host
 * @param {Alert[]} alerts
 */
export function showAlerts(host, alerts) {
  const rank = (/** @type {Alert} */ { status, severity }) => (status === "firing" ? 0 : 2) + (severity === "critical" ? 0 : 1);
  const sorted = [...alerts].sort((a, b) => rank(a) - rank(b) || b.time - a.time);
  if (!sorted.length) {
    update(host, make("p", { className: "empty" }, "No alert is firing. ", make("code", {}, "candlewave model-error-monitor"), " watches errors, drift and freshness."));
    return;
  }
  const hidden = sorted.slice(MOST).filter(({ status }) => status === "firing").length;
  update(
    host,
    make(
      "ul",
      { className: "alerts" },
      ...sorted.slice(0, MOST).map((alert) =>
        make(
          "li",
          { "data-severity": alert.severity, "data-status": alert.status },
          make("strong", {}, alert.summary || alert.rule),
          make("small", {}, `${alert.status === "firing" ? alert.severity : "resolved"} · ${alert.rule} · ${dayAndClock(alert.time)}`),
        ),
      ),
    ),
    hidden ? make("p", { className: "foot" }, `${hidden} more ${hidden === 1 ? "fires" : "fire"}: `, make("code", {}, "candlewave alerts")) : null,
  );
}
