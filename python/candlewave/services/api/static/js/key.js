/** Entry of an API key. It is kept in this tab only. */

import { storedKey, storeKey } from "./api.js";
import { byId } from "./dom.js";

const dialog = /** @type {HTMLDialogElement} */ (byId("key-dialog"));
const input = /** @type {HTMLInputElement} */ (byId("key-input"));

/**
 * Ask for a key. A stored one has been refused, so it is forgotten.
 * @param {string} detail what the server said
 * @param {() => void} entered called when a key was given
 * @param {() => void} declined called when the dialog was closed without one
 */
export function askKey(detail, entered, declined) {
  const wrong = byId("key-wrong");
  wrong.hidden = storedKey() === null;
  wrong.textContent = detail;
  storeKey(null);
  input.value = "";
  dialog.returnValue = "";
  dialog.onclose = () => {
    const key = input.value.trim();
    input.value = "";
    if (dialog.returnValue !== "use" || !key) return declined();
    storeKey(key);
    entered();
  };
  if (!dialog.open) dialog.showModal();
}
