/** Where the answer stands: nothing is left there that is not of what stands in the form. */

import { answerView, titleOf } from "./answer.js";
import { byId, html } from "./elements.js";

/** Why there is no answer. */
export const NONE = {
  scoring: ["Scoring …", "The answer is on its way."],
  refused: ["Not scored", "See the message: there is no answer until it is mended."],
  changed: [
    "The form has changed",
    "The answer that stood here was of what stood in the form before. Press Score for a new one.",
  ],
};

/** The place, and how often it was emptied because the form changed. */
export class AnswerPlace {
  constructor() {
    this.first = [...byId("answer").children];
    this.changes = 0;
  }

  /** Take the answer away. @param {string[]} why its heading and a sentence */
  clear([heading, text]) {
    byId("answer").replaceChildren(
      html("div", { class: "card empty" }, html("h2", {}, heading), html("p", {}, text)),
    );
  }

  /** Take the answer away, as what it was of has changed; one on its way is not shown. */
  formChanged() {
    this.changes += 1;
    if (!byId("answer").contains(this.first[0])) this.clear(NONE.changed);
  }

  /** Show what stood there first. */
  startAnew() {
    this.changes += 1;
    byId("answer").replaceChildren(...this.first);
  }

  /** @param {any} response @param {{label: string, at: Date, isExample: boolean}} shown */
  show(response, shown) {
    byId("answer").replaceChildren(...answerView(response, shown));
    byId("answer-title").focus();
  }

  /** Name the answer anew: the label is not sent. @param {{label: string, isExample: boolean}} shown */
  rename(shown) {
    const title = document.getElementById("answer-title");
    if (title) title.textContent = titleOf(shown);
  }
}
