// A sortable table; one that fills the page draws only the rows in view, so that ten thousand cost no more than fifty.
import { el, fill } from "./dom.js";
import { t } from "./words.js";

const ROW = 36;
const PLAIN_MAX = 150;

// Columns: {key, title, cell(row), sort(row)?, num?, small? (hidden on small screens), class?}
export class Table {
  constructor({ columns, key, sort, descending, page, empty, onsort, selected }) {
    Object.assign(this, { columns, key, empty, onsort, selected, page });
    this.sortKey = sort;
    this.descending = !!descending;
    this.rows = [];
    this.head = el("tr");
    this.body = el("tbody");
    this.node = el("div", { class: page ? "scroll page" : "scroll" }, el("table", {}, el("thead", {}, this.head), this.body));
    this.node.addEventListener("scroll", () => this.draw(), { passive: true });
    this.drawHead();
  }

  drawHead() {
    fill(this.head, this.columns.map((column) => {
      const classes = [column.num && "num", column.small && "hide-small"].filter(Boolean).join(" ");
      const sorted = column.sort && column.key === this.sortKey;
      const title = column.sort ? el("button", { "data-sort": column.key, onclick: () => this.sortBy(column) }, column.title) : column.title;
      return el("th", { class: classes || null, "aria-sort": sorted ? (this.descending ? "descending" : "ascending") : null, scope: "col" }, title);
    }));
  }

  sortBy(column) {
    this.descending = this.sortKey === column.key ? !this.descending : !!column.num;
    this.sortKey = column.key;
    this.onsort?.(this.sortKey, this.descending);
    this.drawHead();
    this.show(this.rows);
  }

  show(rows) {
    this.rows = [...rows];
    const column = this.columns.find((column) => column.key === this.sortKey);
    if (column?.sort) {
      const way = this.descending ? -1 : 1;
      const value = (row) => column.sort(row);
      this.rows.sort((one, other) => {
        const [a, b] = [value(one), value(other)];
        if (a === null || a === undefined) return b === null || b === undefined ? 0 : 1;
        if (b === null || b === undefined) return -1;
        return (typeof a === "string" ? a.localeCompare(b) : a - b) * way;
      });
    }
    this.range = null;
    this.draw();
  }

  draw() {
    const count = this.rows.length;
    let from = 0;
    let to = count;
    if (this.page && count > PLAIN_MAX) {
      from = Math.max(0, Math.floor(this.node.scrollTop / ROW) - 15);
      to = Math.min(count, from + Math.ceil((this.node.clientHeight || 800) / ROW) + 30);
    }
    const range = `${from}-${to}`;
    if (range === this.range) return;
    this.range = range;
    const spacer = (rows) => {
      const cell = el("td", { colspan: this.columns.length });
      cell.style.height = `${rows * ROW}px`;
      return el("tr", { class: "spacer", "aria-hidden": "true" }, cell);
    };
    if (!count) {
      fill(this.body, el("tr", { class: "spacer" }, el("td", { colspan: this.columns.length }, el("div", { class: "empty" }, this.empty || t("nothing")))));
      return;
    }
    const rows = this.rows.slice(from, to).map((row) => this.row(row));
    fill(this.body, from > 0 && spacer(from), rows, to < count && spacer(count - to));
  }

  row(row) {
    const key = this.key(row);
    return el("tr", { "data-key": key, class: this.selected?.(row) && "selected" }, this.columns.map((column) => {
      const classes = [column.num && "num", column.small && "hide-small", column.class].filter(Boolean).join(" ");
      return el("td", { class: classes || null }, column.cell(row));
    }));
  }
}

// A small table that needs no sorting.
export function plain(titles, rows, classes = []) {
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, titles.map((title, at) => el("th", { class: classes[at] || null, scope: "col" }, title)))),
    el("tbody", {}, rows.length ? rows.map((cells) => el("tr", {}, cells.map((cell, at) => el("td", { class: classes[at] || null }, cell))))
      : el("tr", {}, el("td", { colspan: titles.length }, el("div", { class: "empty" }, t("nothing")))))));
}
