/** Small helpers around the document. Text is always set as text, never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Find an element that the page must have.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`index.html has no element #${id}`);
  return found;
}

/**
 * Make an element. Properties starting with `data-` or `aria-`, `role`, `scope`, `datetime` become attributes.
 * @param {string} tag
 * @param {Record<string, unknown>} [properties]
 * @param {...(Node | string | number | null | undefined)} children
 * @returns {HTMLElement}
 */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.includes("-") || name === "role" || name === "scope" || name === "datetime") {
      element.setAttribute(name, String(value));
    } else {
      Reflect.set(element, name, value);
    }
  }
  append(element, children);
  return element;
}

/**
 * Make an SVG element; all properties are attributes.
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElement}
 */
export function makeSvg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  append(element, children);
  return element;
}

/**
 * @param {Element} element
 * @param {(Node | string | number | null | undefined)[]} children
 */
function append(element, children) {
  for (const child of children) {
    if (child !== undefined && child !== null) element.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Give an element these children, changing only what differs: what has the focus, is selected or just being read stays.
 * Only attributes and text are compared, so listeners belong to `host` or above it.
 * @param {Element} host
 * @param {...(Node | null)} children
 */
export function update(host, ...children) {
  const old = [...host.childNodes];
  const wanted = children.filter((child) => child !== null);
  for (const [n, node] of wanted.entries()) {
    const known = old[n];
    if (!known) host.append(node);
    else if (known.nodeName !== node.nodeName) known.replaceWith(node);
    else if (!known.isEqualNode(node)) align(known, node);
  }
  for (const rest of old.slice(wanted.length)) rest.remove();
}

/** @param {Node} known @param {Node} wanted of the same kind */
function align(known, wanted) {
  if (!(known instanceof Element && wanted instanceof Element)) {
    known.nodeValue = wanted.nodeValue;
    return;
  }
  for (const { name } of [...known.attributes]) if (!wanted.hasAttribute(name)) known.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (known.getAttribute(name) !== value) known.setAttribute(name, value);
  update(known, ...wanted.childNodes);
}

/**
 * Make a table with a caption; the first cell of a row is its header.
 * @param {string} caption
 * @param {(string | Node)[]} heads
 * @param {(string | number | Node)[][]} rows
 * @param {Set<number>} [numeric] columns that are aligned right
 * @returns {HTMLElement}
 */
export function makeTable(caption, heads, rows, numeric = new Set()) {
  /** @param {number} column */
  const look = (column) => (numeric.has(column) ? "number" : "");
  return make(
    "table",
    {},
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...heads.map((head, n) => make("th", { scope: "col", className: look(n) }, head)))),
    make(
      "tbody",
      {},
      ...rows.map((row) =>
        make(
          "tr",
          {},
          ...row.map((cell, n) => make(n ? "td" : "th", { scope: n ? undefined : "row", className: look(n) }, cell)),
        ),
      ),
    ),
  );
}

/**
 * Fill a group of buttons of which one is pressed; the focus stays where it was.
 * @param {HTMLElement} group
 * @param {{value: string, text: string, label?: string}[]} choices
 * @param {string} chosen
 * @param {(value: string) => void} choose
 */
export function showSegments(group, choices, chosen, choose) {
  group.onclick = ({ target }) => {
    const button = target instanceof Element ? target.closest("button") : null;
    if (button) choose(button.value);
  };
  const old = /** @type {HTMLButtonElement[]} */ ([...group.children]);
  if (old.length === choices.length && old.every((button, n) => button.value === choices[n].value)) {
    for (const button of old) button.setAttribute("aria-pressed", String(button.value === chosen));
    return;
  }
  group.replaceChildren(
    ...choices.map(({ value, text, label }) =>
      make("button", { type: "button", value, "aria-pressed": value === chosen, "aria-label": label }, text),
    ),
  );
}
