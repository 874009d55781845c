/** The second tab: all cohorts' hazard ratios, survival by one gene, and the learners compared. */

import { comparisonView } from "./comparison.js";
import { choice, html } from "./elements.js";
import { geneSurvival } from "./gene_survival.js";
import { heatmap } from "./heatmap.js";
import { banners, modelCard } from "./model_card.js";
import { queryOf, viewWords, views } from "./references.js";
import { ask } from "./service.js";

/**
 * @param {any[]} models as `/models` returns them
 * @returns {() => void} to be called whenever the tab comes forth; asks the service at the first time
 */
export function startCohortTab(models) {
  const root = /** @type {HTMLElement} */ (document.getElementById("cohort"));
  let opened = false;
  return () => {
    if (opened) return;
    opened = true;
    root.replaceChildren(html("p", { class: "hint" }, "Asking the service …"));
    fill(root, models).catch((error) => {
      opened = false;
      root.replaceChildren(
        html("p", { class: "notice grave", role: "alert" }, `The cohorts cannot be shown: ${error.message}`),
      );
    });
  };
}

async function fill(root, served) {
  const models = served.flatMap(views);
  const scans = await Promise.all(models.map((model) => ofModel("hazard-ratios", model)));
  const own = html("div", { class: "own-cohort" });
  const shown = { model: models[0], gene: null };
  const show = async (model, gene) => {
    Object.assign(shown, { model, gene: gene ?? shown.gene });
    chosen.select.value = String(models.indexOf(model));
    const scan = scans[models.indexOf(model)];
    const compared = await ofModel("comparison", model);
    // Another may have been chosen meanwhile.
    if (shown.model === model) own.replaceChildren(...ownCohort(model, scan, compared, shown));
  };
  const options = /** @type {[string, string][]} */ (
    models.map((model, index) => [String(index), viewWords(model)])
  );
  const chosen = choice("cohort-model", "Cohort", options, (index) => show(models[Number(index)]));
  const pick = async (model, gene) => {
    await show(model, gene);
    document.getElementById("gene-survival-title")?.focus();
  };
  root.replaceChildren(
    html("section", { class: "card" }, heatmap(models, scans, pick)),
    html(
      "div",
      { class: "one-cohort" },
      html("section", { class: "card" }, html("h2", {}, "One cohort"), chosen.field),
      own,
    ),
  );
  await show(models[0]);
}

function ofModel(path, model) {
  return ask(`${path}/${encodeURIComponent(model.cancer_type)}`, queryOf(model));
}

function ownCohort(model, scan, compared, shown) {
  const remember = (gene) => {
    shown.gene = gene;
  };
  return [
    ...banners(model),
    html(
      "section",
      { class: "card" },
      geneSurvival(model, scan, compared.curve_genes, { first: shown.gene, remember }),
    ),
    html("section", { class: "card" }, comparisonView(model, compared)),
    html("section", { class: "card" }, modelCard(model)),
  ];
}
