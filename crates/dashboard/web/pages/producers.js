// Producers: all of them where the brokers can tell, else those of a topic and a group.
import { el, field, fill, notice, time } from "../dom.js";
import { classic, get } from "../net.js";
import { plain, Table } from "../table.js";
import { keep } from "../app.js";
import { t } from "../words.js";

export async function draw(main, params) {
  let all = [];
  const head = el("div", { class: "head" }, el("h1", {}, t("producers")));
  const search = el("input", { type: "search", name: "q", placeholder: t("filter"), value: params.q || "", oninput: () => { keep({ q: search.value }); show(); } });
  const text = (key, title, small) => ({ key, title, small, sort: (row) => row[key], cell: (row) => row[key] ?? "–" });
  const table = new Table({ page: true, key: (row) => `${row.group} ${row.clientId}`, sort: "group", columns: [text("group", t("group")), text("clientId", t("clientId")), text("addr", t("address"), true), text("language", t("language"), true), text("version", t("version"), true), { key: "last", title: t("lastHeartbeat"), small: true, sort: (row) => row.lastUpdate, cell: (row) => time(row.lastUpdate) }] });
  const show = () => table.show(all.filter((row) => `${row.group} ${row.clientId} ${row.addr}`.includes(search.value)));
  async function refresh() {
    all = (await get("producers")).producers;
    show();
  }
  try {
    await refresh();
    fill(main, head, el("div", { class: "filters" }, search), el("div", { class: "panel flush" }, table.node));
    return { refresh };
  } catch (error) {
    if (error.status !== 501 && error.status !== 404) throw error;
    fill(main, head, el("div", { class: "notice info" }, t("producersByName")), byName(params));
    return {};
  }
}

function byName(params) {
  const topic = el("input", { name: "topic", value: params.topic || "" });
  const group = el("input", { name: "group", value: params.group || "" });
  const place = el("div");
  const ask = async () => {
    keep({ topic: topic.value, group: group.value });
    const found = await classic("producer/producerConnection.query", { topic: topic.value, producerGroup: group.value }).catch((error) => ({ error }));
    fill(place, found.error ? notice(found.error) : plain([t("clientId"), t("address"), t("language"), t("version")], found.connectionSet.map((one) => [one.clientId, one.clientAddr, one.language, one.versionDesc])));
  };
  return el("div", { class: "panel" }, el("form", { class: "form", onsubmit: (event) => { event.preventDefault(); ask(); } }, field(t("topic"), topic), field(t("producerGroup"), group), el("button", { class: "primary", "data-action": "search" }, t("search"))), el("p"), place);
}
