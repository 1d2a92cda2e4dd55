/** The palette of tokens.css as colours that a canvas understands. */

const NAMES = ["panel", "ink", "quiet", "line", "grid", "up", "down", "upsoft", "downsoft", "forecast", "miss", "one", "two", "three", "four"];

/** @type {Record<string, string> | null} */
let palette = null;

/** Forget the palette: the theme has changed. */
export function themeChanged() {
  palette = null;
}

/** @returns {Record<string, string>} colour by name of tokens.css */
export function colours() {
  if (palette) return palette;
  // light-dark() is resolved in a property that takes a colour, not in a custom one.
  const probe = document.createElement("span");
  document.body.append(probe);
  const found = /** @type {Record<string, string>} */ ({});
  for (const name of NAMES) {
    probe.style.setProperty("color", `var(--${name})`);
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  palette = found;
  return found;
}
