/** Starts the page: asks which models there are, and fills the two tabs. */

import { startCohortTab } from "./cohort_tab.js";
import { tell } from "./field_errors.js";
import { startPatientTab } from "./patient_tab.js";
import { ask } from "./service.js";
import { startTabs } from "./tabs.js";

async function start() {
  let openCohort = () => {};
  const list = /** @type {HTMLElement} */ (document.querySelector("[role=tablist]"));
  startTabs(list, (panel) => {
    if (panel.id === "panel-cohort") openCohort();
  });
  const [{ models }, { components }] = await Promise.all([ask("models"), ask("docs.json")]);
  if (!models.length) {
    tell("The service has no model yet: train one, and load this page again.");
    return;
  }
  startPatientTab(models, components.schemas.ScoreRequest.properties.scale.enum);
  openCohort = startCohortTab(models);
  document.body.dataset.ready = "yes";
}

start().catch((error) => {
  tell(`The page could not start: ${error.message}`);
});
