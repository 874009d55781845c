/** Tabs after the ARIA pattern: one stop for Tab, arrows move between them. */

import { byId } from "./elements.js";

/**
 * @param {HTMLElement} list the element with role tablist
 * @param {(panel: HTMLElement) => void} onShown called with the panel that came forth
 */
export function startTabs(list, onShown) {
  const tabs = /** @type {HTMLElement[]} */ ([...list.querySelectorAll("[role=tab]")]);
  const show = (chosen) => {
    for (const tab of tabs) {
      const isChosen = tab === chosen;
      tab.setAttribute("aria-selected", String(isChosen));
      tab.tabIndex = isChosen ? 0 : -1;
      panelOf(tab).hidden = !isChosen;
    }
    onShown(panelOf(chosen));
  };
  for (const tab of tabs) tab.addEventListener("click", () => show(tab));
  list.addEventListener("keydown", (event) => {
    const next = neighbour(tabs, /** @type {HTMLElement} */ (document.activeElement), event.key);
    if (!next) return;
    event.preventDefault();
    next.focus();
    show(next);
  });
}

function panelOf(tab) {
  return byId(tab.getAttribute("aria-controls"));
}

function neighbour(tabs, current, key) {
  const at = tabs.indexOf(current);
  switch (key) {
    case "ArrowRight":
      return tabs[(at + 1) % tabs.length];
    case "ArrowLeft":
      return tabs[(at - 1 + tabs.length) % tabs.length];
    case "Home":
      return tabs[0];
    case "End":
      return tabs[tabs.length - 1];
    default:
      return null;
  }
}
