// Who changed what.
import { el, fill, time } from "../dom.js";
import { get } from "../net.js";
import { Table } from "../table.js";
import { keep } from "../app.js";
import { actionText, t } from "../words.js";

export async function draw(main, params) {
  let all = [];
  const search = el("input", { type: "search", name: "q", placeholder: t("filter"), value: params.q || "", oninput: () => { keep({ q: search.value }); show(); } });
  const table = new Table({
    page: true, key: (row) => `${row.time} ${row.action}`,
    columns: [
      { key: "time", title: t("time"), cell: (row) => time(row.time) }, { key: "user", title: t("user"), cell: (row) => row.user }, { key: "addr", title: t("address"), small: true, cell: (row) => row.addr },
      { key: "action", title: t("action"), cell: (row) => actionText(row.action) }, { key: "subject", title: t("subject"), class: "wrap", cell: (row) => row.subject },
      { key: "result", title: t("result"), class: "wrap", small: true, cell: (row) => el("span", { class: row.result === "ok" ? "ok" : "bad" }, row.result) },
    ],
  });
  const show = () => table.show(all.filter((row) => [...Object.values(row), actionText(row.action)].join(" ").includes(search.value)));
  fill(main, el("div", { class: "head" }, el("h1", {}, t("audit")), el("span", { class: "grow" }), search), el("div", { class: "panel flush" }, table.node));
  async function refresh() { all = await get("audit", { limit: 1000 }); show(); }
  await refresh();
  return { refresh };
}
