"use strict";
// A table of many rows: all are held as typed arrays, and only those in sight are in the document.
(async () => {
  const ROW_HEIGHT = 30;
  const SPARE_ROWS = 10;
  const WIDTHS = { count: 5.5, number: 6.5, p: 6.5, ratio: 11.5, months: 12 };
  const element = (id) => document.getElementById(id);
  const { rows, label, columns } = JSON.parse(element("columns").textContent);
  const grid = element("grid");
  const pane = element("rows");
  const body = grid.tBodies[0];
  const shown = columns.filter((column) => column.short);

  const isText = (column) => column.kind === "text" || column.kind === "choice";

  async function unpacked(base64) {
    const letters = atob(base64);
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i += 1) bytes[i] = letters.charCodeAt(i);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer();
  }

  const buffer = await unpacked(element("values").textContent.trim());
  let place = 0;
  for (const column of columns) {
    column.values = [];
    for (let part = 0; part < column.parts; part += 1, place += rows * 4) {
      column.values.push(isText(column) ? new Uint32Array(buffer, place, rows) : new Float32Array(buffer, place, rows));
    }
  }

  // In rem: texts as long as their longest, within limits.
  function width(column) {
    if (!isText(column)) return WIDTHS[column.kind];
    const longest = column.texts.reduce((most, text) => Math.max(most, text.length), column.label.length + 2);
    // The first column stays in sight, and must leave room for others.
    return Math.min(column === columns[0] ? 8.5 : 13, Math.max(5, 0.58 * longest + 1.4));
  }

  // How a value is written.
  function ratio(value) {
    if (value !== 0 && (value < 0.001 || value >= 10000)) return value.toExponential(1).replace("+", "");
    return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.01 ? 2 : 3);
  }
  const FORMATS = {
    count: (value) => value.toFixed(0),
    number: ratio,
    ratio,
    months: (value) => value.toFixed(1),
    p: (value) => (value >= 0.001 ? value.toFixed(3) : value === 0 ? "<1e-37" : value.toExponential(1)),
  };
  function written(column, row) {
    if (isText(column)) return column.texts[column.values[0][row]];
    const [value, lower, upper] = column.values.map((part) => part[row]);
    if (Number.isNaN(value)) return "–";
    const format = FORMATS[column.kind];
    const text = lower === undefined || Number.isNaN(lower) ? format(value) : `${format(value)} (${format(lower)} to ${format(upper)})`;
    return text.replace(/(^|[ (])-/g, "$1−");
  }
  function meaning(column, row) {
    if (column.kind !== "ratio" || column.values.length < 3) return "";
    const [, lower, upper] = column.values.map((part) => part[row]);
    return lower > 1 ? "worse" : upper < 1 ? "better" : "";
  }

  // Which rows there are, and in which order.
  let order = new Uint32Array(0);
  let sorted = { column: null, falling: false };
  let chosen = -1;
  const search = element("search");
  const limit = element("limit");
  const by = element("by");
  const choices = [...document.querySelectorAll("select[data-column]")];

  function filtered() {
    const words = search.value.trim().toLowerCase();
    const hits = columns.filter(isText).map((column) => ({
      values: column.values[0],
      fits: column.texts.map((text) => text.toLowerCase().includes(words)),
    }));
    const wanted = choices
      .filter((select) => select.value !== "")
      .map((select) => ({ values: columns[select.dataset.column].values[0], code: Number(select.value) }));
    const most = limit.value === "" ? null : Number(limit.value);
    const numbers = by.value === "" ? null : columns[by.value].values[0];
    const found = new Uint32Array(rows);
    let count = 0;
    for (let row = 0; row < rows; row += 1) {
      if (!wanted.every(({ values, code }) => values[row] === code)) continue;
      if (most !== null && numbers !== null && !(numbers[row] <= most)) continue;
      if (words !== "" && !hits.some(({ values, fits }) => fits[values[row]])) continue;
      found[count] = row;
      count += 1;
    }
    return found.slice(0, count);
  }

  function sort() {
    if (sorted.column === null) return;
    const values = sorted.column.values[0];
    const turn = sorted.falling ? -1 : 1;
    order.sort((a, b) => {
      const one = values[a];
      const other = values[b];
      // What is missing stays last, either way.
      if (one !== one) return other !== other ? a - b : 1;
      if (other !== other) return -1;
      return one === other ? a - b : one < other ? -turn : turn;
    });
  }

  function refresh() {
    order = filtered();
    sort();
    const total = rows.toLocaleString("en");
    element("count").textContent = `${order.length.toLocaleString("en")} of ${total} rows`;
    grid.setAttribute("aria-rowcount", String(order.length + 1));
    pane.scrollTop = 0;
    choose(-1);
    draw();
  }

  // Drawing what is in sight.
  const spacer = () => {
    const row = document.createElement("tr");
    row.className = "spacer";
    row.setAttribute("aria-hidden", "true");
    row.append(document.createElement("td"));
    row.firstChild.colSpan = shown.length;
    return row;
  };
  const above = spacer();
  const below = spacer();

  function drawnRow(position) {
    const row = order[position];
    const line = document.createElement("tr");
    line.id = `row-${position}`;
    line.dataset.position = position;
    line.setAttribute("aria-rowindex", String(position + 2));
    line.setAttribute("aria-selected", String(position === chosen));
    shown.forEach((column, at) => {
      const cell = document.createElement(at === 0 ? "th" : "td");
      if (at === 0) cell.scope = "row";
      cell.textContent = written(column, row);
      cell.className = [isText(column) ? "" : "number", meaning(column, row)].join(" ").trim();
      if (isText(column)) cell.title = cell.textContent;
      line.append(cell);
    });
    return line;
  }

  let drawn = "";
  function draw(always = true) {
    const inSight = Math.ceil(pane.clientHeight / ROW_HEIGHT) + 2 * SPARE_ROWS;
    const first = Math.max(0, Math.min(Math.floor(pane.scrollTop / ROW_HEIGHT) - SPARE_ROWS, order.length - inSight));
    const last = Math.min(order.length, first + inSight);
    // Rows that stay in sight stay the same elements, as when the table is moved sideways.
    if (!always && drawn === `${first} ${last}`) return;
    drawn = `${first} ${last}`;
    above.firstChild.style.height = `${first * ROW_HEIGHT}px`;
    below.firstChild.style.height = `${(order.length - last) * ROW_HEIGHT}px`;
    const lines = [];
    for (let position = first; position < last; position += 1) lines.push(drawnRow(position));
    body.replaceChildren(above, ...lines, below);
  }

  let waiting = false;
  pane.addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; draw(false); });
  });
  window.addEventListener("resize", () => draw(false));

  // Choosing a row shows all that is known of it.
  function choose(position) {
    chosen = position;
    const list = element("about");
    if (position < 0) {
      grid.removeAttribute("aria-activedescendant");
      element("chosen").hidden = true;
      list.replaceChildren();
      return;
    }
    grid.setAttribute("aria-activedescendant", `row-${position}`);
    element("chosen").hidden = false;
    const parts = columns.filter((column) => written(column, order[position]) !== "").flatMap((column) => {
      const term = document.createElement("dt");
      term.textContent = column.label;
      term.title = column.hint;
      const value = document.createElement("dd");
      value.textContent = written(column, order[position]);
      return [term, value];
    });
    list.replaceChildren(...parts);
  }
  function moveTo(position) {
    if (order.length === 0) return;
    choose(Math.max(0, Math.min(position, order.length - 1)));
    const head = grid.tHead.offsetHeight;
    const top = chosen * ROW_HEIGHT;
    if (top < pane.scrollTop) pane.scrollTop = top;
    const room = pane.clientHeight - head - ROW_HEIGHT;
    if (top > pane.scrollTop + room) pane.scrollTop = top - room;
    draw();
  }
  body.addEventListener("click", (event) => {
    const line = event.target.closest("tr[data-position]");
    if (line) moveTo(Number(line.dataset.position));
  });
  grid.addEventListener("keydown", (event) => {
    if (event.target !== grid) return;
    const page = Math.max(1, Math.floor(pane.clientHeight / ROW_HEIGHT) - 3);
    const to = { ArrowDown: chosen + 1, ArrowUp: chosen - 1, PageDown: Math.max(chosen, 0) + page, PageUp: chosen - page,
                 Home: 0, End: order.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    moveTo(to);
  });

  // Headings that sort, and controls that filter.
  const heads = shown.map((column) => {
    const head = document.createElement("th");
    const button = document.createElement("button");
    head.scope = "col";
    head.style.width = `${width(column)}rem`;
    head.className = isText(column) ? "" : "number";
    head.setAttribute("aria-sort", "none");
    button.type = "button";
    button.textContent = column.label;
    button.title = column.hint;
    button.addEventListener("click", () => {
      sorted = { column, falling: sorted.column === column && !sorted.falling };
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", sorted.falling ? "descending" : "ascending");
      sort();
      pane.scrollTop = 0;
      choose(-1);
      draw();
    });
    head.append(button);
    return head;
  });
  const line = document.createElement("tr");
  line.append(...heads);
  grid.tHead.append(line);
  grid.style.width = `${shown.reduce((sum, column) => sum + width(column), 0)}rem`;
  grid.setAttribute("aria-colcount", String(shown.length));
  grid.setAttribute("aria-label", label);

  let pause = 0;
  const soon = () => { clearTimeout(pause); pause = setTimeout(refresh, 120); };
  for (const control of [search, limit]) control.addEventListener("input", soon);
  for (const control of [by, ...choices]) control.addEventListener("change", refresh);
  refresh();
  grid.dataset.ready = "yes";
})();
