/** Puts what is wrong beside the field that is at fault. */

import { byId, html } from "./elements.js";

/** What is wrong with a field of the form, and how to mend it. */
export class FieldError extends Error {
  /**
   * @param {string | null} id of the field; null where it is none's own
   * @param {string} message
   */
  constructor(id, message) {
    super(message);
    this.id = id;
  }
}

/**
 * Show an error at its field, or above the form where there is none.
 * @param {FieldError} error
 */
export function showError({ id, message }) {
  const control = id ? document.getElementById(id) : null;
  if (!control || !control.matches("input, select, textarea") || !control.checkVisibility()) {
    tell(message);
    return;
  }
  const note = html("p", { class: "error", id: `${control.id}-error` }, message);
  control.after(note);
  control.setAttribute("aria-invalid", "true");
  const described = control.getAttribute("aria-describedby");
  control.setAttribute("aria-describedby", [note.id, described].filter(Boolean).join(" "));
  control.focus();
}

/** Say above everything what is no field's own. @param {string} message */
export function tell(message) {
  const trouble = byId("trouble");
  trouble.textContent = message;
  trouble.hidden = false;
  trouble.scrollIntoView({ block: "nearest" });
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
