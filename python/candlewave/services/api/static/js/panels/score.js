/** How good the forecasts have been, against the last price and the baseline. */

import { make, makeTable, update } from "../dom.js";
import { clock, horizon, percent, signed } from "../format.js";
import { modelName } from "./forecasts.js";

/**
 * @typedef {import("../types.js").Score} Score
 * @typedef {import("../types.js").Forecast} Forecast
 */

/** Less than this is none: a smaller lead is noise. */
const MIN_SKILL = 0.01;
const MIN_FORECASTS = 30;
/** Skill over fewer is said with a warning: forecasts of neighbouring minutes overlap. */
const SURE_FORECASTS = 300;
/** @type {Record<string, string>} */
const WORDS = { "1h": "hour", "24h": "24 hours", "7d": "7 days" };
export const SPANS = Object.keys(WORDS);

/** @param {string} span */
export const spanWords = (span) => WORDS[span] ?? span;

/** Versions that have not forecast for this long are not compared. */
const OLD = 36e5 * 3;

/**
 * @param {HTMLElement} host
 * @param {Score[]} scores newest of each horizon, version and span
 * @param {Forecast[]} forecasts that are served now
 * @param {string} span
 * @param {import("../types.js").ModelNotes} notes
 */
export function showScore(host, scores, forecasts, span, { silent, coming, trained }) {
  const newest = Math.max(0, ...scores.map(({ hour }) => hour));
  const shown = scores.filter((score) => score.span === span && score.hour >= newest - OLD);
  if (!shown.length) {
    const text = "Nothing to judge yet. A forecast is judged when its time has come; results appear here minutes after the first forecast.";
    update(host, make("p", { className: "empty" }, text));
    return;
  }
  const served = new Map(forecasts.map((forecast) => [forecast.horizon, modelName(forecast)]));
  const isServed = (/** @type {Score} */ score) => served.get(score.horizon) === modelName(score);
  const sorted = shown.sort((a, b) => a.horizon - b.horizon || Number(isServed(b)) - Number(isServed(a)) || modelName(a).localeCompare(modelName(b)));
  const main = sorted.filter(isServed);
  const rest = sorted.filter((score) => !isServed(score));
  const isOpen = host.querySelector("details")?.open ?? false;
  update(
    host,
    verdict(main, span, silent, coming, trained.size > 0),
    ...(main.length ? [scroll(table("What is served", main), "What is served")] : []),
    ...(rest.length
      ? [make("details", { className: "fold", open: isOpen }, make("summary", {}, "Compared with"), scroll(table("Not served", rest), "Not served"))]
      : []),
    ...[...new Set(main.map(modelName))].filter((name) => trained.has(name)).map((name) => make("p", { className: "foot trained" }, `${name}: ${trained.get(name)}.`)),
    make("p", { className: "foot" }, FOOT),
  );
}

/**
 * That a model is being trained, or why the last training came to nothing.
 * @param {HTMLElement} host
 * @param {import("../types.js").Training | null} training
 */
export function showTraining(host, training) {
  host.hidden = training === null;
  if (!training) return;
  const { isRunning, reason, since, fitted, total } = training;
  const begun = since === null ? "" : ` since ${clock(since)}`;
  const text = isRunning ? `A model is being trained${begun}: ${percent(total ? fitted / total : 0, 0)} done (${reason}).` : `The last training failed: ${reason}.`;
  update(host, document.createTextNode(text));
}

/** @type {{text: string, meaning: string}[]} */
const HEADS = [
  { text: "Ahead", meaning: "how far the forecasts look ahead, and the model" },
  { text: "Error", meaning: "mean absolute error, in basis points (1/100 %)" },
  { text: "Skill", meaning: "how much smaller the error is than that of “the price stays”" },
  { text: "Interval", meaning: "how much better the band is than the baseline's (pinball loss)" },
  { text: "Band", meaning: "outcomes inside the 80 % band; 80 % is right" },
  { text: "Sign", meaning: "forecasts whose direction was right" },
  { text: "Count", meaning: "forecasts judged" },
];

const FOOT =
  HEADS.map(({ text, meaning }) => `${text}: ${meaning}.`).join(" ") + ` Skill and Interval are shown from ${MIN_FORECASTS} judged forecasts on.`;

/** @param {HTMLElement} content @param {string} label */
const scroll = (content, label) => make("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": label }, content);

/**
 * @param {string} caption
 * @param {Score[]} scores
 */
function table(caption, scores) {
  const rows = scores.map((score) => [
    make("span", {}, horizon(score.horizon), " ", make("small", { className: "model", title: modelName(score) }, modelName(score))),
    score.mae === null ? "–" : (score.mae * 1e4).toFixed(1),
    skillCell(score, score.skill),
    skillCell(score, score.intervalSkill),
    percent(score.coverage, 0),
    percent(score.direction, 0),
    score.forecasts.toLocaleString("en"),
  ]);
  const heads = HEADS.map(({ text, meaning }) => make("abbr", { title: meaning }, text));
  return makeTable(caption, heads, rows, new Set([1, 2, 3, 4, 5, 6]));
}

/**
 * The baseline is what skill is measured against.
 * @param {Score} score
 * @param {number | null} skill
 */
function skillCell(score, skill) {
  if (score.model === "baseline" || score.forecasts < MIN_FORECASTS) return "–";
  return make("span", { className: counts(score, skill) ? "skilled" : "" }, percent(skill, 1, true));
}

/**
 * @param {Score} score
 * @param {number | null} skill of its median, or of its interval
 */
const counts = ({ model, forecasts }, skill) => model !== "baseline" && skill !== null && skill >= MIN_SKILL && forecasts >= MIN_FORECASTS;

/** @param {Score} score */
const isSkilled = (score) => counts(score, score.skill);

/**
 * What the numbers say, plainly.
 * @param {Score[]} served
 * @param {string} span
 * @param {string | null} silent
 * @param {string | null} coming
 * @param {boolean} hasTrained whether any model was ever trained
 */
function verdict(served, span, silent, coming, hasTrained) {
  const skilled = served.filter(isSkilled);
  const models = served.filter(({ model }) => model !== "baseline");
  const time = `the last ${spanWords(span)}`;
  const judged = served.filter(({ forecasts }) => forecasts >= MIN_FORECASTS).length;
  let title = "No skill";
  let text = `Over ${time} no horizon was forecast better than by saying that the price stays.`;
  if (!served.length) {
    title = "Not judged yet";
    text = "What is served now has no results yet; earlier versions are below.";
  } else if (skilled.length) {
    const others = served.length - skilled.length;
    title = `Skill at ${skilled.map((score) => horizon(score.horizon)).join(", ")}`;
    text = `Over ${time} better than “the price stays” there${others ? `; no skill shown at the other ${others === 1 ? "horizon" : `${others} horizons`}` : ""}.`;
  } else if (models.length && models.every(({ forecasts }) => forecasts < MIN_FORECASTS)) {
    title = "Too early to tell";
    text = `A model serves at ${models.map((score) => horizon(score.horizon)).join(", ")}, but fewer than ${MIN_FORECASTS} of its forecasts are judged over ${time}: the figures are noise so far.`;
  } else if (!models.length && silent) {
    title = "Model switched off";
    text = `${silent} was promoted and no longer forecasts: its features have changed, or it fails (candlewave models list says which). The last price is served until a new model is trained.`;
  } else if (!models.length && coming) {
    title = "Too early to tell";
    text = `${coming} was promoted and forecasts from the next minute on.`;
  } else if (!models.length) {
    title = !hasTrained ? "No model yet" : judged ? "No skill" : "Too early to tell";
    text = hasTrained
      ? "No model has proved better than the last price, so the baseline serves: the price stays, the band comes from volatility."
      : "No model has been trained yet, so the baseline serves: the price stays, the band comes from volatility.";
  }
  if (!models.length && served.length && !judged) text += ` Fewer than ${MIN_FORECASTS} forecasts are judged: it is early.`;
  const better = served.filter((score) => counts(score, score.intervalSkill) && !isSkilled(score));
  if (better.length) text += ` Its band is better than the baseline's at ${better.map((score) => horizon(score.horizon)).join(", ")}.`;
  if ([...skilled, ...better].some(({ forecasts }) => forecasts < SURE_FORECASTS)) text += ` That may be luck: fewer than ${SURE_FORECASTS} forecasts are judged.`;
  const wide = served.filter(({ coverage, forecasts }) => coverage !== null && forecasts >= MIN_FORECASTS && Math.abs(coverage - 0.8) > 0.08);
  if (wide.length) {
    text += ` The 80 % band misses its aim at ${wide.map(({ horizon: minutes, coverage }) => `${horizon(minutes)} (${signed((Number(coverage) - 0.8) * 100, 0)} points)`).join(", ")}.`;
  }
  return make("div", { className: "verdict", "data-skill": skilled.length ? "yes" : "no" }, make("strong", {}, title), make("span", {}, text));
}
