/** A refusal of the service in the words of the form, and the field that it is about. */

import { clinicalId, columnWords } from "./clinical_fields.js";
import { FieldError } from "./field_errors.js";
import { scaleWords, sentence } from "./words.js";

/**
 * The parts of a request: the field that each stands in, and what it is called there; the first that fits counts.
 * @type {[RegExp, (name: string) => string | null, (name: string) => string][]}
 */
const PARTS = [
  [/^cancer_type/, () => "model", () => "The cancer type"],
  [/^endpoint/, () => "model", () => "The endpoint"],
  [/^scale/, () => "scale", () => "The scale of the values"],
  [/^zscore_reference/, () => "reference", () => "What the z-scores refer to"],
  [/^reference/, () => "scored-as", () => "The cohort it is scored as a patient of"],
  [/^horizons_months/, () => "survived", () => "The times that are asked for"],
  [/^profiles\[0\]\.clinical\.(.+)$/, clinicalId, columnWords],
  [/^profiles\[0\]\.clinical/, () => "clinical", () => "The clinical values"],
  [/^profiles\[0\]\.survived_months/, () => "survived", () => "The months survived"],
  [/^profiles\[0\]\.expression\.(.+)$/, () => "profile", (gene) => `The value of ${gene}`],
  [/^profiles\[0\]\.expression/, () => "profile", () => "The profile"],
  [/^profiles/, () => "profile", () => "The profile"],
];
/** What programs are told, and what someone at the form is. */
const IDIOMS = [
  [/^profile 'patient': /, ""],
  [/; send it as a bare JSON number, or leave it out/, "; write it in digits, or leave it out"],
  [/must be a number, a string or null, but is .*?\.$/, "must be a number or a word."],
  [/must be a number, but is a string/, "must be a number"],
  [/ \(horizon_months_max\)|, horizon_months_max(?=,)/, ""],
  [/\bsurvived_months\b/, "the months survived"],
  [/\bzscore_reference\b/, "what the z-scores refer to"],
  [/^cancer_type\b/, "the cancer type"],
];
const SCALE_NAMES = /\b(?:zscore|microarray_log2|log2_[a-z0-9_]*\d)(?![\w'-])/g;

/**
 * @param {import("./service.js").ServiceProblem} problem
 * @param {string[]} clinical the clinical columns that are asked for
 * @returns {FieldError}
 */
export function fieldError({ status, field, message }, clinical) {
  if (status === 401) return new FieldError(null, "The service wants its token again: load this page anew.");
  for (const [pattern, id, name] of PARTS) {
    const found = field?.match(pattern);
    if (!found) continue;
    const text = message.startsWith(`${field} `) ? name(found[1]) + message.slice(field.length) : message;
    return new FieldError(field === "profiles[0]" ? spokenOf(message, clinical) : id(found[1]), inWords(text));
  }
  return new FieldError(null, inWords(message));
}

function inWords(text) {
  const plain = IDIOMS.reduce((said, [from, to]) => said.replace(from, to), text);
  return sentence(plain.replace(SCALE_NAMES, scaleWords));
}

/** The field that a refusal of the whole profile speaks of. */
function spokenOf(message, clinical) {
  const column = clinical.find((name) => new RegExp(`(^|[^\\w])${name} (must|is|was|of)\\b`).test(message));
  if (column) return clinicalId(column);
  return /survived|horizon/.test(message) ? "survived" : "profile";
}
