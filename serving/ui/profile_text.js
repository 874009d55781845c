/** Reads what was pasted, typed or dropped: lines of gene and value, or JSON. */

import { FieldError } from "./field_errors.js";
import { isJson, readJson } from "./profile_json.js";
import { readLines } from "./profile_lines.js";

/**
 * @typedef {import("./profile_json.js").ReadJson & {header: string | null, isJson: boolean}} ReadProfile
 */

/**
 * @param {string} text
 * @returns {ReadProfile}
 * @throws {FieldError}
 */
export function readProfile(text) {
  const bare = text.replace(/^\uFEFF/, "");
  if (!bare.trim()) {
    throw new FieldError("profile", "There is no profile: paste one, choose a file, or take the example.");
  }
  const read = isJson(bare)
    ? { ...readJson(bare), header: null, isJson: true }
    : { patient: null, stated: {}, others: [], ...readLines(bare), isJson: false };
  if (!Object.keys(read.expression).length) {
    throw new FieldError("profile", "The profile holds no gene with a value.");
  }
  return read;
}

/**
 * @param {Record<string, number>} expression
 * @returns {string} a line a gene, as `readProfile` reads it
 */
export function profileText(expression) {
  return Object.entries(expression)
    .map(([gene, value]) => `${gene}, ${value}`)
    .join("\n");
}
