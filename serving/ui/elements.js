/** Makes elements of the page; text goes in as text, never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {string | number | Node | null | undefined} Child
 * @typedef {Record<string, string | number | boolean | null | undefined | EventListener>} Attributes
 */

/**
 * Make an HTML element.
 * @param {string} tag
 * @param {Attributes} [attributes] a function is a listener of the event of its name; null leaves an attribute out
 * @param {...(Child | Child[])} children
 * @returns {HTMLElement}
 */
export function html(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/**
 * Make an SVG element; parameters as in `html`.
 * @param {string} tag
 * @param {Attributes} [attributes]
 * @param {...(Child | Child[])} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/**
 * Make a table whose first column names its rows.
 * @param {string} caption
 * @param {string[]} heads
 * @param {Child[][]} rows
 * @returns {HTMLElement}
 */
export function table(caption, heads, rows) {
  const head = html(
    "tr",
    {},
    heads.map((text) => html("th", { scope: "col" }, text)),
  );
  const body = rows.map(([first, ...rest]) =>
    html(
      "tr",
      {},
      html("th", { scope: "row" }, first),
      rest.map((cell) => html("td", {}, cell)),
    ),
  );
  return scrolled(
    caption,
    html("table", {}, html("caption", {}, caption), html("thead", {}, head), html("tbody", {}, body)),
  );
}

/**
 * Put what may be wider than the page into a box that scrolls by itself, also by keyboard.
 * @param {string} name
 * @param {HTMLElement} content
 * @returns {HTMLElement}
 */
export function scrolled(name, content) {
  return html("div", { class: "scrolled", tabindex: 0, role: "region", "aria-label": name }, content);
}

/**
 * Make a choice with a label.
 * @param {string} id
 * @param {string} label
 * @param {[string, string][]} options value and text of each
 * @param {(value: string) => void} onChange
 * @returns {{field: HTMLElement, select: HTMLSelectElement}}
 */
export function choice(id, label, options, onChange) {
  const select = /** @type {HTMLSelectElement} */ (html("select", { id, change: () => onChange(select.value) }));
  select.append(...options.map(([value, text]) => html("option", { value }, text)));
  return { field: html("div", { class: "field" }, html("label", { for: id }, label), select), select };
}

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** Say something to those who listen to the page. @param {string} text */
export function announce(text) {
  byId("status").textContent = text;
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  const present = children.flat().filter((child) => child !== null && child !== undefined);
  element.append(...present.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}
