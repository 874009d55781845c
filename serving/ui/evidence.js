/** What the review says of a gene: directions, interactions, drugs, each with its references. */

import { html } from "./elements.js";
import { fixed, probabilityWords } from "./words.js";

/**
 * @param {any} row of `/hazard-ratios`
 * @param {any[]} citations
 * @returns {HTMLElement}
 */
export function evidencePanel(row, citations) {
  const cited = new Map(citations.map((citation) => [citation.number, citation]));
  const told = row.evidence;
  const parts = [
    html("p", {}, `In this cohort (${row.n} patients, ${row.events} events): ${row.direction ?? "no estimate"}.`),
    row.literature_direction ? html("p", {}, `Literature on it here: ${row.literature_direction}.`) : null,
    published(row),
    list("Literature (Table 3)", told?.findings, (finding) => findingWords(finding), cited),
    list("Interactions (Table 1)", told?.interactions, interactionWords, cited),
    list("Drugs (Table 4)", told?.drugs, drugWords, cited),
  ];
  const nothing = told ? null : html("p", { class: "hint" }, "The review's tables say nothing more of this gene.");
  return html("div", { class: "evidence" }, parts, nothing);
}

function published(row) {
  if (row.published_hazard_ratio === null) return null;
  return html(
    "p",
    {},
    `Published (Table 2, turned to high against low): ${fixed(row.published_hazard_ratio, 2)}, ` +
      `p ${probabilityWords(row.published_p)}; printed there as ${fixed(row.published_hazard_ratio_as_printed, 2)}, low against high.`,
  );
}

function list(title, entries, words, cited) {
  if (!entries?.length) return null;
  const items = entries.map((entry) =>
    html("li", { class: entry.in_cancer_type ? "own" : null }, words(entry), " ", references(entry.references, cited)),
  );
  return html("div", {}, html("h4", {}, title), html("ul", {}, items));
}

function findingWords(finding) {
  const remark = finding.remark ? ` (${finding.remark})` : "";
  return `${finding.cancer}: ${finding.literature_hr} expression is worse in the studies, ${finding.tcga_hr} in TCGA${remark}.`;
}

function interactionWords(interaction) {
  const cells = interaction.interacting_cells ? ` (${interaction.interacting_cells})` : "";
  return `${interaction.cancer}: with ${interaction.partner}${cells}.`;
}

function drugWords(drug) {
  const use = drug.current_use ? `, in use for ${drug.current_use}` : "";
  const potential = drug.potential_use ? `; potential: ${drug.potential_use}` : "";
  const trials = drug.trials.map((trial) => trial.identifier).join(", ");
  return `${drug.drug}${use}${potential}${trials ? ` (${trials})` : ""}.`;
}

function references(numbers, cited) {
  const known = numbers.map((number) => cited.get(number)).filter(Boolean);
  return html(
    "span",
    { class: "references" },
    known.flatMap((citation, index) => [index ? "; " : "", reference(citation)]),
  );
}

function reference(citation) {
  const words = `${citation.first_author} ${citation.year}`;
  if (!citation.doi) return words;
  return html("a", { href: `https://doi.org/${citation.doi}`, rel: "noreferrer", title: citation.journal }, words);
}
