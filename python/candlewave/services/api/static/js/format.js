/** Numbers and times as people read them. Missing values are a dash. */

const MISSING = "–";
const MINUS = "\u2212";

/** "UTC" or "local"; main.js sets it from the preference. */
let zone = "UTC";

/** @param {string} chosen */
export function setZone(chosen) {
  zone = chosen;
  formats.clear();
}

/** @returns {string} name of the zone shown, such as "UTC" or "Europe/Berlin" */
export function zoneName() {
  return zone === "UTC" ? "UTC" : Intl.DateTimeFormat().resolvedOptions().timeZone || "local";
}

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();

/**
 * @param {string} name
 * @param {Intl.DateTimeFormatOptions} options
 */
function format(name, options) {
  let made = formats.get(name);
  if (!made) {
    made = new Intl.DateTimeFormat("en-GB", { ...options, hourCycle: "h23", timeZone: zone === "UTC" ? "UTC" : undefined });
    formats.set(name, made);
  }
  return made;
}

/** @param {number} time milliseconds since 1970 */
export const clock = (time) => format("clock", { hour: "2-digit", minute: "2-digit" }).format(time);
/** @param {number} time */
export const clockSeconds = (time) =>
  format("seconds", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(time);
/** @param {number} time */
export const day = (time) =>
  (isThisYear(time) ? format("day", { day: "numeric", month: "short" }) : format("date", { day: "numeric", month: "short", year: "numeric" })).format(time);
/** @param {number} time */
const isThisYear = (time) => new Date(time).getUTCFullYear() === new Date().getUTCFullYear();
/** @param {number} time */
export const dayAndClock = (time) => `${day(time)} ${clock(time)}`;

/**
 * Minutes by which the shown zone is ahead of UTC at a time.
 * @param {number} time
 */
export const offsetMinutes = (time) => (zone === "UTC" ? 0 : -new Date(time).getTimezoneOffset());

/**
 * Decimals that a price needs so that a ten-thousandth of it is visible, at least two.
 * @param {number} price
 */
export function priceDigits(price) {
  const size = Math.abs(price);
  if (!Number.isFinite(size) || size === 0) return 2;
  return Math.max(2, Math.min(12, 4 - Math.floor(Math.log10(size))));
}

/**
 * @param {number | null | undefined} value
 * @param {number} [digits] decimals; those of the value's own size if not given
 */
export function price(value, digits) {
  if (value === null || value === undefined) return MISSING;
  const shown = digits ?? priceDigits(value);
  return sign(value.toLocaleString("en", { minimumFractionDigits: shown, maximumFractionDigits: shown }));
}

/** @param {number | null | undefined} value */
export function quantity(value) {
  if (value === null || value === undefined) return MISSING;
  if (Math.abs(value) >= 1e5) return value.toLocaleString("en", { notation: "compact", maximumFractionDigits: 2 });
  return sign(value.toLocaleString("en", { maximumSignificantDigits: 4 }));
}

/**
 * A ratio as percent.
 * @param {number | null | undefined} ratio
 * @param {number} [digits]
 * @param {boolean} [signed] with a plus
 */
export function percent(ratio, digits = 2, signed = false) {
  if (ratio === null || ratio === undefined) return MISSING;
  const text = (ratio * 100).toFixed(digits);
  const zero = Number(text) === 0;
  return `${sign(zero ? text.replace("-", "") : text, signed && !zero)}\u202f%`;
}

/**
 * @param {string} text
 * @param {boolean} [plus]
 */
function sign(text, plus = false) {
  if (text.startsWith("-")) return MINUS + text.slice(1);
  return plus ? `+${text}` : text;
}

/**
 * @param {number | null | undefined} value
 * @param {number} [digits]
 */
export function signed(value, digits = 2) {
  if (value === null || value === undefined) return MISSING;
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : sign(text, true);
}

/**
 * Time passed, short: "8 s", "3 min", "5 h", "2 days".
 * @param {number} milliseconds
 */
export function duration(milliseconds) {
  const seconds = Math.max(0, milliseconds / 1000);
  if (seconds < 100) return `${seconds.toFixed(0)} s`;
  if (seconds < 6000) return `${(seconds / 60).toFixed(0)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(0)} h`;
  return `${(seconds / 86400).toFixed(0)} days`;
}

/**
 * A horizon of minutes as candles are named: 1m, 15m, 1h.
 * @param {number} minutes
 */
export function horizon(minutes) {
  if (minutes % 1440 === 0) return `${minutes / 1440}d`;
  return minutes % 60 === 0 ? `${minutes / 60}h` : `${minutes}m`;
}

/**
 * A horizon in words: "5 minutes", "1 hour".
 * @param {number} minutes
 */
export function horizonWords(minutes) {
  const [count, unit] = minutes % 60 === 0 ? [minutes / 60, "hour"] : [minutes, "minute"];
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}
