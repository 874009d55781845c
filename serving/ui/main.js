/** Starts the page: asks which models there are, and fills the two tabs. */

import { startCohortTab } from "./cohort_tab.js";
import { byId } from "./elements.js";
import { startPatientTab } from "./patient_tab.js";
import { ask } from "./service.js";
import { startTabs } from "./tabs.js";

async function start() {
  let openCohort = () => {};
  const list = /** @type {HTMLElement} */ (document.querySelector("[role=tablist]"));
  startTabs(list, (panel) => {
    if (panel.id === "panel-cohort") openCohort();
  });
  const { models } = await ask("models");
  if (!models.length) {
    tell("The service has no model yet: train one, and load this page again.");
    return;
  }
  startPatientTab(models);
  openCohort = startCohortTab(models);
  document.body.dataset.ready = "yes";
}

function tell(text) {
  const trouble = byId("trouble");
  trouble.textContent = text;
  trouble.hidden = false;
}

start().catch((error) => {
  tell(`The page could not start: ${error.message}`);
});
