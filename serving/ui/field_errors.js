/** Puts what is wrong beside the field that is at fault. */

import { byId, html } from "./elements.js";

/**
 * Where the parts of a request stand on the page; the first that fits counts.
 * @type {[RegExp, (found: RegExpMatchArray) => string][]}
 */
const PLACES = [
  [/^cancer_type|^endpoint/, () => "model"],
  [/^scale/, () => "scale"],
  [/^zscore_reference/, () => "reference"],
  [/^profiles\[0\]\.clinical\.(.+)$/, (found) => `clinical-${found[1]}`],
  [/^profiles\[0\]\.clinical/, () => "clinical"],
  [/^profiles\[0\]\.survived_months|^horizons_months/, () => "survived"],
  [/^profiles/, () => "profile"],
];

/**
 * Say which field of the form a problem is about.
 * @param {{field: string | null, message: string}} problem
 * @param {string[]} clinical the clinical columns that are asked for
 * @returns {string | null} the id of the field
 */
export function fieldAtFault({ field, message }, clinical) {
  for (const [pattern, id] of PLACES) {
    const found = field?.match(pattern);
    if (found) return field === "profiles[0]" ? named(message, clinical) : id(found);
  }
  return null;
}

/**
 * Show an error at a field, or above the form where there is none.
 * @param {string | null} id
 * @param {string} message
 */
export function showError(id, message) {
  const control = id ? document.getElementById(id) : null;
  if (!control || !control.matches("input, select, textarea")) {
    const trouble = byId("trouble");
    trouble.textContent = message;
    trouble.hidden = false;
    trouble.scrollIntoView({ block: "nearest" });
    return;
  }
  const note = html("p", { class: "error", id: `${control.id}-error` }, message);
  control.closest(".field")?.append(note);
  control.setAttribute("aria-invalid", "true");
  const described = control.getAttribute("aria-describedby");
  control.setAttribute("aria-describedby", [note.id, described].filter(Boolean).join(" "));
  control.focus();
}

/** Take all errors away. */
export function clearErrors() {
  byId("trouble").hidden = true;
  for (const note of document.querySelectorAll(".error")) {
    const control = document.getElementById(note.id.replace(/-error$/, ""));
    control?.removeAttribute("aria-invalid");
    const others = (control?.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== note.id);
    if (others.length) control?.setAttribute("aria-describedby", others.join(" "));
    else control?.removeAttribute("aria-describedby");
    note.remove();
  }
}

function named(message, clinical) {
  // A refusal of the whole profile may speak of one clinical value.
  const column = clinical.find((name) => new RegExp(`(^|[^\\w])${name} (must|is|was|of)\\b`).test(message));
  if (column) return `clinical-${column}`;
  return /survived|horizon/.test(message) ? "survived" : "profile";
}
