// Charts over days.
import { el, field, fill, forInput, fromInput } from "../dom.js";
import { lines } from "../chart.js";
import { get } from "../net.js";
import { keep } from "../app.js";
import { t } from "../words.js";

const SPANS = [["1h", 3600000], ["6h", 6 * 3600000], ["24h", 86400000], ["7d", 7 * 86400000], ["30d", 30 * 86400000]];

export async function draw(main, params) {
  const [overview, topics, groups] = await Promise.all([get("overview"), get("topics"), get("groups")]);
  const names = [
    ...overview.clusters.flatMap((cluster) => cluster.brokers.map(({ name, id }) => `broker:${name}:${id}`)),
    ...topics.topics.filter(({ kind }) => kind === "normal").map(({ name }) => `topic:${name}`), ...groups.groups.filter(({ system }) => !system).map(({ name }) => `group:${name}`)];
  const series = el("input", { name: "series", list: "series", value: params.series || names[0] || "", onchange: () => { keep({ series: series.value }); show(); } });
  const now = Date.now();
  let to = Number(params.to) || now;
  let from = Number(params.from) || to - 6 * 3600000;
  const begin = el("input", { name: "from", type: "datetime-local", step: "1", onchange: () => zoom(fromInput(begin.value), to) });
  const end = el("input", { name: "to", type: "datetime-local", step: "1", onchange: () => zoom(from, fromInput(end.value)) });
  const place = el("div");
  function zoom(a, b) {
    if (a === null || b === null || b <= a) return;
    [from, to] = [a, b];
    keep({ from, to });
    return show();
  }
  async function show() {
    begin.value = forInput(from);
    end.value = forInput(to);
    if (!series.value) return fill(place, el("div", { class: "empty" }, t("noHistory")));
    const { points } = await get("history", { series: series.value, from, to, points: 400 });
    const of = (at) => points.filter((point) => point[at] !== null).map((point) => [point[0], point[at]]);
    const kind = series.value.split(":")[0];
    const rates = kind === "topic" ? [{ name: t("inTps"), points: of(1) }, { name: t("outTps"), points: of(2) }] : kind === "group" ? [{ name: t("outTps"), points: of(2) }] : [{ name: t("totalTps"), points: of(1) }];
    fill(place, el("div", { class: "panel" }, el("h2", {}, t("perSecond")), lines(rates, from, to, zoom)),
      kind === "group" && el("div", { class: "panel" }, el("h2", {}, t("lag")), lines([{ name: t("lag"), points: of(3) }], from, to, zoom)));
  }
  fill(main, el("div", { class: "head" }, el("h1", {}, t("history"))),
    el("div", { class: "panel form" }, field(t("series"), series), field(t("begin"), begin), field(t("end"), end), el("div", { class: "buttons" }, SPANS.map(([label, size]) => el("button", { "data-span": label, onclick: () => zoom(Date.now() - size, Date.now()) }, label))),
      el("datalist", { id: "series" }, names.map((name) => el("option", { value: name })))),
    place, el("p", { class: "muted small" }, t("zoomText")));
  await show();
  return {};
}
