/** What a profile that was pasted or dropped states beside its genes, and in words what became of it. */

import { columnWords } from "./clinical_fields.js";
import { FieldError } from "./field_errors.js";
import { endpointWords, monthsWords } from "./words.js";

/**
 * Find the model that a request states, the chosen one first.
 * @param {any[]} models
 * @param {any} chosen
 * @param {Record<string, any>} stated
 * @returns {any}
 * @throws {FieldError}
 */
export function statedModel(models, chosen, { cancer_type: cancerType, endpoint }) {
  const fits = (model) =>
    (cancerType ?? model.cancer_type) === model.cancer_type && (endpoint ?? model.endpoint) === model.endpoint;
  const found = [chosen, ...models].find(fits);
  if (found) return found;
  const asked = [cancerType, endpoint && endpointWords(endpoint)].filter(Boolean).join(", ");
  const served = models.map((model) => `${model.cancer_type}, ${endpointWords(model.endpoint)}`).join("; ");
  throw new FieldError(
    "profile",
    `This request is for ${asked}, and no model here answers that; there is: ${served}. ` +
      "Ask a service that has one, or correct the request's cancer_type and endpoint.",
  );
}

/**
 * Find the cohort whose reference a request states, the default's where it is a request that names none.
 * @param {any} model
 * @param {import("./profile_text.js").ReadProfile} read
 * @returns {string | null | undefined} undefined where only a profile was read: what is chosen stays
 * @throws {FieldError}
 */
export function statedReference(model, { stated: { cancer_type: cancerType, reference } }) {
  if (reference === undefined || reference === null) return cancerType === undefined ? undefined : model.reference;
  const names = model.references.map((each) => each.name);
  if (names.includes(reference)) return reference;
  const there = names.length ? `there is: ${names.join(", ")}` : "it was trained on one cohort and has none to name";
  throw new FieldError(
    "profile",
    `This request is for the reference “${String(reference).slice(0, 40)}”, and the model has no such: ${there}. ` +
      "Correct it, or leave it out.",
  );
}

/**
 * @param {import("./profile_text.js").ReadProfile} read
 * @param {string[]} columns the clinical values that the model reads
 * @returns {string[]} sentences; none where only genes were taken
 */
export function takenWords({ patient, others, stated }, columns) {
  if (!patient) return [];
  const { clinical, survivedMonths, id } = patient;
  const given = Object.entries(clinical).filter(([, value]) => value !== null && value !== "");
  const read = given.filter(([name]) => columns.includes(name)).map(([name, value]) => `${columnWords(name)} ${value}`);
  const unread = given.filter(([name]) => !columns.includes(name)).map(([name]) => name);
  const months = survivedMonths === null ? [] : [`survived ${monthsOrText(survivedMonths)} months`];
  const taken = ["its genes", ...read.map(lowerFirst), ...months].join("; ");
  return [
    ...(others.length ? [onlyFirst(id, others)] : []),
    `Taken over into this form: ${taken}.`,
    ...(read.length ? [] : ["It states no clinical value that this model reads."]),
    ...(unread.length ? [`Left out, because this model does not read it: ${unread.join(", ")}.`] : []),
    ...(stated.horizons_months ? ["The page asks for horizons of its own."] : []),
  ];
}

function onlyFirst(id, others) {
  return (
    `The request holds ${others.length + 1} profiles and this page scores one: the first${id ? `, ${id}` : ""}. ` +
    `Not scored here: ${others.slice(0, 3).join(", ")}${others.length > 3 ? ", …" : ""}.`
  );
}

const monthsOrText = (months) => (typeof months === "number" ? monthsWords(months) : months);

const lowerFirst = (text) => text.charAt(0).toLowerCase() + text.slice(1);
