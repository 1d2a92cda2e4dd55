/**
 * Live events. EventSource cannot send a key, so the stream is read with fetch; it resumes after a break with
 * Last-Event-ID like EventSource does.
 */

import { keyHeaders, marketParameters, Problem, problemOf } from "./api.js";

const LONGEST_WAIT = 15e3;
/** Comments come every 15 s; a connection that is silent for longer is dead. */
const SILENCE = 40e3;
/** A connection that ends sooner has failed, too: who comes back at once would ask for everything again and again. */
const STEADY = 10e3;

/**
 * @typedef {{event: (kind: string, data: any) => void, heard: () => void, state: (state: "live" | "retry", problem?: Problem) => void}} Listener
 *   heard: something has come, be it only a sign of life
 */

/**
 * Follow the events of a market until the signal aborts. A break is reported and mended; when the server refuses the
 * key, following ends.
 * @param {import("./types.js").Market} market
 * @param {string} timeframe
 * @param {Listener} listener
 * @param {AbortSignal} signal
 */
export async function follow(market, timeframe, listener, signal) {
  let last = "";
  let failures = 0;
  const address = `/v1/stream?${new URLSearchParams({ ...marketParameters(market), timeframe })}`;
  while (!signal.aborted) {
    const connection = new AbortController();
    const stop = () => connection.abort();
    signal.addEventListener("abort", stop);
    let watch = setTimeout(stop, SILENCE);
    /** @type {Problem} */
    let problem = new Problem(0, "The server does not answer.");
    let began = Infinity;
    try {
      /** @type {Record<string, string>} */
      const resume = last ? { "Last-Event-ID": last } : {};
      const response = await fetch(address, {
        headers: { Accept: "text/event-stream", ...resume, ...keyHeaders() },
        signal: connection.signal,
        cache: "no-store",
      });
      if (!response.ok || !response.body) throw await problemOf(response);
      began = performance.now();
      listener.state("live");
      for await (const { id, kind, data } of events(response.body, () => {
        clearTimeout(watch);
        watch = setTimeout(stop, SILENCE);
        listener.heard();
      })) {
        if (id) last = id;
        if (data) tell(listener, kind, data);
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem) problem = error;
    } finally {
      clearTimeout(watch);
      signal.removeEventListener("abort", stop);
    }
    if (signal.aborted) return;
    listener.state("retry", problem);
    if (problem.status === 401 || problem.status === 403) return;
    failures = performance.now() - began > STEADY ? 1 : failures + 1;
    const wait = Math.max(problem.status ? problem.retry * 1e3 : 0, Math.min(LONGEST_WAIT, 400 * 2 ** Math.min(failures, 6)));
    // Not all pages at the same moment.
    await pause(wait * (0.75 + Math.random() / 2), signal);
  }
}

/**
 * A fault of this page is not one of the connection: it is reported, and the next event may be shown.
 * @param {Listener} listener
 * @param {string} kind
 * @param {string} data
 */
function tell(listener, kind, data) {
  try {
    listener.event(kind, JSON.parse(data));
  } catch (error) {
    reportError(error);
  }
}

/**
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} body
 * @param {() => void} heard called with each piece that comes in
 */
async function* events(body, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) yield parse(block);
    }
  } finally {
    await reader.cancel().catch(() => undefined); // already broken: nothing is left to cancel
  }
}

/** @param {string} block lines of one event */
function parse(block) {
  const found = { id: "", kind: "message", data: "" };
  const data = [];
  for (const text of block.split("\n")) {
    const colon = text.indexOf(":");
    if (colon <= 0) continue;
    const value = text.slice(colon + 1).replace(/^ /, "");
    if (text.startsWith("id:")) found.id = value;
    else if (text.startsWith("event:")) found.kind = value;
    else if (text.startsWith("data:")) data.push(value);
  }
  found.data = data.join("\n");
  return found;
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 * @returns {Promise<void>} resolves early when the signal aborts, or the browser is online again
 */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done);
    addEventListener("online", done);
  });
}
