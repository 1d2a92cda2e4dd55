/** What a reader has chosen; kept in the browser. Without storage it lasts as long as the page. */

const PREFIX = "candlewave.";

/**
 * @param {string} name
 * @returns {string | null}
 */
export function preference(name) {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null; // storage is forbidden here
  }
}

/**
 * @param {string} name
 * @param {string | null} value null forgets it
 */
export function prefer(name, value) {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, value);
  } catch {
    // Storage is forbidden or full: the choice holds for this page only.
  }
}
