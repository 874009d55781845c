/** The fields for the clinical values that a model reads. */

import { byId, html } from "./elements.js";
import { sentence } from "./words.js";

const CHOICES = {
  sex: ["female", "male"],
  stage: ["I", "II", "III", "IV"],
  grade: ["G1", "G2", "G3", "G4"],
};

/** @param {string} column @returns {string} the id of its field */
export const clinicalId = (column) => `clinical-${column}`;

/** @param {string} column */
export const columnWords = (column) => sentence(column.replaceAll("_", " "));

/**
 * @param {string} column
 * @returns {HTMLElement} the field, empty
 */
export function clinicalField(column) {
  const id = clinicalId(column);
  const label = html("label", { for: id }, column === "age" ? "Age, years" : columnWords(column));
  const known = CHOICES[column];
  const control = known
    ? html(
        "select",
        { id },
        ["", ...known].map((value) => html("option", { value }, value || "not given")),
      )
    : html("input", { id, autocomplete: "off", inputmode: column === "age" ? "decimal" : "text" });
  return html("div", { class: "field" }, label, control);
}

/**
 * @param {string[]} columns
 * @returns {Record<string, string | number | null> | null} null where none is given
 */
export function clinicalValues(columns) {
  const values = columns.map((column) => [column, clinicalValue(column)]);
  return values.some(([, value]) => value !== null) ? Object.fromEntries(values) : null;
}

/**
 * Fill in what is known; what a choice does not have is added to it, as it was written.
 * @param {string[]} columns
 * @param {Record<string, string | number | null>} values
 */
export function fillClinical(columns, values) {
  for (const column of columns) setValue(clinicalId(column), values[column] ?? "");
}

/** @param {string} id */
export function valueOf(id) {
  return /** @type {HTMLInputElement} */ (byId(id)).value;
}

/** @param {string} id @param {string | number} value */
export function setValue(id, value) {
  const control = /** @type {HTMLInputElement | HTMLSelectElement} */ (byId(id));
  const text = String(value);
  if (control instanceof HTMLSelectElement && ![...control.options].some((option) => option.value === text)) {
    control.append(html("option", { value: text }, text));
  }
  control.value = text;
}

/** A number where the text is one; otherwise the text, for the service to say what is wrong with it. */
export function numberOrText(text) {
  return Number.isFinite(Number(text)) ? Number(text) : text;
}

function clinicalValue(column) {
  const text = valueOf(clinicalId(column)).trim();
  if (text === "") return null;
  return column === "age" ? numberOrText(text.replace(",", ".")) : text;
}
