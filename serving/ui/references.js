/** A model of several cohorts, seen through one of them: on whose scale, baseline and ranks it answers. */

import { endpointWords } from "./words.js";

/**
 * @param {any} model as `/models` returns it
 * @returns {any[]} the model on each of its references, the default first; alone where it has none to name
 */
export function views(model) {
  if (!model.references.length) return [model];
  return model.references.map((reference) => {
    const { name, is_default: isDefault, ...own } = reference;
    const known = isDefault ? {} : { median_follow_up_months: null };
    return { ...model, ...own, ...known, reference: name, reference_is_default: isDefault };
  });
}

/**
 * @param {any} view
 * @returns {Record<string, string>} what an address says to be answered on this view
 */
export function queryOf(view) {
  return { endpoint: view.endpoint, ...(view.reference === null ? {} : { reference: view.reference }) };
}

/** @param {any} view @returns {string} */
export const viewWords = (view) => `${view.cancer_type}, ${endpointWords(view.endpoint)}${referenceWords(view)}`;

/** @param {any} view @returns {string} what follows the cancer type; nothing where there is one cohort */
export const referenceWords = ({ reference }) => (reference === null ? "" : `, ${reference}`);
