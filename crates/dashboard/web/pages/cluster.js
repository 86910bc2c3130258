// Brokers.
import { attempt, dialog, el, field, fill, menuButton, num, rate, span, time, values } from "../dom.js";
import { get, post } from "../net.js";
import { plain, Table } from "../table.js";
import { keep, may, open } from "../app.js";
import { t } from "../words.js";

export async function draw(main, params) {
  let all = [];
  const search = el("input", { type: "search", name: "q", placeholder: t("filter"), value: params.q || "", oninput: () => { keep({ q: search.value }); show(); } });
  const count = (key, title, value, small = true) => ({ key, title, num: true, small, sort: value, cell: (row) => num(value(row)) });
  const table = new Table({
    page: true, key: (row) => `${row.name}:${row.id}`, sort: params.sort || "name", descending: params.down === "1",
    onsort: (sort, down) => keep({ sort, down: down ? "1" : null }),
    columns: [
      { key: "name", title: t("broker"), class: "name", sort: (row) => `${row.name}:${row.id}`, cell: (row) => el("button", { class: "link", "data-action": "status", onclick: () => open("status", row.addr) }, `${row.name}:${row.id}`) },
      { key: "role", title: t("role"), small: true, sort: (row) => row.role, cell: (row) => t(row.role) },
      { key: "cluster", title: t("cluster"), small: true, sort: (row) => row.cluster, cell: (row) => row.cluster },
      { key: "addr", title: t("address"), small: true, sort: (row) => row.addr, cell: (row) => el("span", { class: "mono" }, row.addr) },
      { key: "version", title: t("version"), small: true, sort: (row) => row.version, cell: (row) => row.version || "–" },
      { key: "state", title: t("state"), sort: (row) => Number(row.reachable), cell: (row) => row.reachable ? el("span", { class: "tag ok" }, t("up")) : el("span", { class: "tag error", title: row.error }, t("down")) },
      { key: "inTps", title: t("inTps"), num: true, sort: (row) => row.inTps, cell: (row) => rate(row.inTps) },
      { key: "outTps", title: t("outTps"), num: true, sort: (row) => row.outTps, cell: (row) => rate(row.outTps) },
      count("inYesterday", t("inYesterday"), (row) => row.inYesterday), count("outYesterday", t("outYesterday"), (row) => row.outYesterday),
      count("inToday", t("inToday"), (row) => row.inToday), count("outToday", t("outToday"), (row) => row.outToday),
      { key: "disk", title: t("disk"), num: true, small: true, sort: (row) => row.diskRatio, cell: (row) => row.diskRatio === null ? "–" : el("span", { class: row.diskRatio > 0.9 ? "bad" : row.diskRatio > 0.75 ? "warn" : null }, `${num(row.diskRatio * 100)} %`) },
      { key: "uptime", title: t("uptime"), num: true, small: true, sort: (row) => -(row.startTime || 0), cell: (row) => row.startTime ? span(Date.now() - row.startTime) : "–" },
      { key: "actions", title: "", class: "acts", cell: (row) => menuButton(() => [["status", t("status"), () => open("status", row.addr)], ["config", t("config"), () => open("config", row.addr)]]) },
    ],
  });
  const show = () => table.show(all.filter((row) => `${row.name}:${row.id} ${row.addr} ${row.cluster}`.includes(search.value)));
  fill(main, el("div", { class: "head" }, el("h1", {}, t("cluster")), el("span", { class: "grow" }), search), el("div", { class: "panel flush" }, table.node));
  async function refresh() {
    const state = await get("overview");
    all = state.clusters.flatMap((cluster) => cluster.brokers.map((broker) => ({ ...broker, cluster: cluster.name })));
    show();
  }
  await refresh();
  const named = (addr) => { const row = all.find((row) => row.addr === addr); return row ? `${row.name}:${row.id}` : addr; };
  return {
    refresh,
    dialogs: {
      status: (addr, onclose) => dialog("status", `${t("status")} · ${named(addr)}`, async (body) => {
        const row = all.find((row) => row.addr === addr);
        fill(body, plain([t("key"), t("value")], Object.entries(row?.runtime || {}).map(([key, value]) => [el("span", { class: "mono" }, key), readable(key, value)]), ["", "wrap"]));
      }, { onclose }),
      config: (addr, onclose) => dialog("config", `${t("config")} · ${named(addr)}`, (body) => drawConfig(body, addr), { onclose }),
    },
  };
}

function readable(key, value) {
  return /Time(stamp)?$|Timestamp$/.test(key) && /^\d{13}$/.test(value) ? `${value} · ${time(Number(value))}` : value;
}

async function drawConfig(body, addr) {
  let rows = await get("brokers/config", { addr });
  const search = el("input", { type: "search", name: "key", placeholder: t("filter"), oninput: show });
  const differing = el("input", { type: "checkbox", name: "differs", onchange: show });
  const place = el("div");
  function show() {
    const wanted = rows.filter((row) => row.key.toLowerCase().includes(search.value.toLowerCase()) && (!differing.checked || row.differs));
    fill(place, plain([t("key"), t("value"), t("default"), ""], wanted.map((row) => [
      el("span", { class: "mono", title: row.doc }, row.key), el("span", { class: row.differs ? "warn mono" : "mono" }, row.value), el("span", { class: "mono muted" }, row.default ?? "–"),
      may("admin") && el("button", { class: "icon", "data-action": "edit", title: row.reloadable ? t("edit") : t("afterRestart"), onclick: () => edit(row) }, "✎")]), ["name", "wrap", "wrap hide-small", ""]));
  }
  function edit(row) {
    dialog("edit", row.key, (inner, foot, close) => {
      const form = el("div", { class: "fields" }, row.doc && el("p", { class: "muted" }, row.doc), field(t("value"), el("input", { name: "value", class: "mono", value: row.value })), row.reloadable === false && el("p", { class: "warn" }, t("afterRestart")));
      fill(inner, form);
      fill(foot, el("button", { onclick: close }, t("cancel")), el("button", { class: "primary", "data-submit": true, onclick: async () => {
        const done = await attempt(() => post("brokers/config", { addr, key: row.key, value: values(form).value }), ({ hint }) => hint || t("done"));
        if (done.ok) { close(); rows = await get("brokers/config", { addr }); show(); }
      } }, t("save")));
    }, { narrow: true });
  }
  fill(body, el("div", { class: "filters" }, search, el("label", { class: "check" }, differing, t("onlyDiffering"))), place);
  show();
}
