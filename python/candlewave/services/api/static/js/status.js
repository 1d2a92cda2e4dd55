/** What the page says about itself: the connection, notices, and news for people who do not see it. */

import { serverNow } from "./api.js";
import { byId, make } from "./dom.js";
import { clockSeconds, zoneName } from "./format.js";

/** @typedef {import("./api.js").Problem} Problem */

/** A break shorter than this is shown only next to the dot. */
const PATIENCE = 3e3;

/** The dot is green only while data of the market that is shown arrive. */
const FEEDS = { live: "Live", silent: "No data", history: "History", waiting: "Waiting for data" };

/** @type {keyof typeof FEEDS} of the market that is shown */
let feed = "live";
let isLive = false;
let wasLive = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let patience;
/** When the server was last heard of, in its time. @type {number | null} */
let lastHeard = null;
/** What the notice says. */
let said = "";

/**
 * Show a notice above everything else. A notice that is shown already is not set again: a screen reader would repeat it.
 * @param {"down" | "idle" | null} kind null takes it away
 * @param {string} [title]
 * @param {string} [text] commands in backticks
 * @param {Node} [action]
 */
export function notice(kind, title = "", text = "", action = undefined) {
  const words = kind === null ? "" : [kind, title, text].join("\n");
  if (words === said) return;
  said = words;
  const host = byId("notice");
  host.hidden = kind === null;
  host.dataset.kind = kind ?? "";
  const parts = text.split("`").map((part, n) => (n % 2 ? make("code", {}, part) : part));
  host.replaceChildren(...(kind ? [make("strong", {}, title), make("span", {}, ...parts), ...(action ? [action] : [])] : []));
}

/** @param {string} text for people who do not see the page */
export function announce(text) {
  byId("announcer").textContent = text;
}

/** @param {string} text what the parts say that have shown nothing so far */
export function waiting(text) {
  for (const host of document.querySelectorAll("main .empty")) host.textContent = text;
}

/** @param {Problem} problem */
export const explain = (problem) =>
  problem.status === 0 ? "Is `candlewave predictions-api` running? Trying again." : `${problem.message.replace(/; try again\.$/, ".")} Trying again.`;

/**
 * @param {keyof typeof FEEDS | "retry"} state
 * @param {string} text
 */
function showDot(state, text) {
  const host = byId("connection");
  host.dataset.state = state;
  host.textContent = text;
}

/** @param {keyof typeof FEEDS} state whether data of the market that is shown arrive */
export function showFeed(state) {
  feed = state;
  if (isLive) showDot(feed, FEEDS[feed]);
}

/** Something has come from the server. */
export function heard() {
  lastHeard = serverNow();
}

/** Events come in. */
export function connected() {
  heard();
  clearTimeout(patience);
  patience = undefined;
  showDot(feed, FEEDS[feed]);
  notice(null);
  if (wasLive && !isLive) announce("Live again.");
  isLive = wasLive = true;
}

/** Events have ended. @param {Problem} [problem] */
export function disconnected(problem) {
  showDot("retry", "Reconnecting");
  if (isLive) announce("The connection is lost. Trying again.");
  isLive = false;
  patience ??= setTimeout(() => {
    const since = lastHeard === null ? "" : `What you see is from ${clockSeconds(lastHeard)} ${zoneName()}. `;
    notice("down", "The connection is lost.", since + (problem ? explain(problem) : "Trying again."));
  }, PATIENCE);
}

/** There is nothing to show yet, because of this. @param {Problem} problem */
export function unreachable(problem) {
  showDot("retry", "Reconnecting");
  notice("down", "The server cannot be read.", explain(problem));
  waiting("Waits for the server.");
}

/** Nothing is read until there is a key. */
export function locked() {
  clearTimeout(patience);
  patience = undefined;
  isLive = false;
  showDot("retry", "Key needed");
  waiting("Needs an API key.");
}

/**
 * Some of the data could not be read.
 * @param {Problem} problem
 * @param {boolean} isStale no news can come either
 */
export function incomplete(problem, isStale) {
  if (!isLive) return;
  if (isStale) showDot("retry", "Not live");
  notice("down", "Some data cannot be read.", explain(problem));
}

/** All of the data can be read again. */
export function complete() {
  if (!isLive) return;
  showDot(feed, FEEDS[feed]);
  notice(null);
}
