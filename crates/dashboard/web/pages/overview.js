// What is wrong now, and how much happens.
import { el, fill, num, rate, span, time } from "../dom.js";
import { bars, lines } from "../chart.js";
import { get } from "../net.js";
import { plain } from "../table.js";
import { link } from "../app.js";
import { problemText, t } from "../words.js";

export function problemList(problems) {
  if (!problems.length) return el("div", { class: "ok" }, t("nothingWrong"));
  const where = { topic: "topics", group: "groups", broker: "cluster", nameServer: "ops" };
  return problems.map((one) => {
    const [message, fix] = problemText(one);
    return el("div", { class: "problem", "data-kind": one.kind },
      el("span", { class: `tag ${one.severity}` }, t(one.severity)),
      el("div", { class: "what" }, el("a", { href: link(where[one.subjectType], { q: one.subjectType === "nameServer" ? null : one.subject }) }, one.subjectType === "nameServer" ? t("nameServers") : one.subject), ": ", message),
      el("div", { class: "fix" }, fix));
  });
}

export async function draw(main) {
  const tiles = el("div", { class: "tiles" });
  const problems = el("div", { class: "panel" });
  const brokers = el("div", { class: "panel flush" });
  const topTopics = el("div", { class: "panel" });
  const topGroups = el("div", { class: "panel" });
  const trend = el("div", { class: "panel" });
  const stamp = el("span", { class: "muted small" });
  fill(main, el("div", { class: "head" }, el("h1", {}, t("overview")), el("span", { class: "grow" }), stamp), tiles, problems,
    brokers, el("div", { class: "grid2" }, topTopics, topGroups), trend);

  async function refresh() {
    const [state, wrong, topics, groups] = await Promise.all([get("overview"), get("problems"), get("topics"), get("groups")]);
    const { totals } = state;
    fill(stamp, t("seenAt", time(state.updated)));
    const tile = (value, label, href, bad) => el("a", { class: bad ? "tile bad" : "tile", href }, el("b", {}, value), el("span", {}, label));
    fill(tiles, tile(rate(totals.inTps), t("inTps"), "#/history"), tile(rate(totals.outTps), t("outTps"), "#/history"), tile(num(totals.topics), t("topics"), "#/topics"),
      tile(num(totals.groups), t("groups"), "#/groups"), tile(num(totals.lag), t("lag"), "#/groups?sort=lag&down=1"), tile(num(totals.retry), t("retry"), "#/groups?sort=retry&down=1"),
      tile(num(totals.dlq), t("dlq"), "#/dlq", totals.dlq > 0));
    fill(problems, el("h2", {}, t("wrongNow")), problemList(wrong.problems));
    const rows = state.clusters.flatMap((cluster) => cluster.brokers.map((broker) => [
      el("a", { href: link("cluster", { q: `${broker.name}:${broker.id}` }) }, `${broker.name}:${broker.id}`), cluster.name, t(broker.role), el("span", { class: "mono" }, broker.addr),
      broker.reachable ? el("span", { class: "tag ok" }, t("up")) : el("span", { class: "tag error", title: broker.error }, t("down")),
      rate(broker.inTps), rate(broker.outTps), num(broker.inToday), num(broker.outToday), broker.startTime ? span(Date.now() - broker.startTime) : "–"]));
    fill(brokers, el("h2", {}, t("brokers")), plain([t("broker"), t("cluster"), t("role"), t("address"), t("state"), t("inTps"), t("outTps"), t("inToday"), t("outToday"), t("uptime")], rows,
      ["name", "hide-small", "hide-small", "hide-small", "", "num", "num", "num hide-small", "num hide-small", "num hide-small"]));
    const most = (all, value) => all.filter((one) => value(one) > 0).sort((a, b) => value(b) - value(a)).slice(0, 10);
    const busy = topics.topics.filter(({ kind }) => kind === "normal");
    fill(topTopics, el("h2", {}, t("topTopics")), bars(most(busy, (one) => one.messages).map((one) => [one.name, one.messages, link("topics", { dialog: "status", name: one.name })])));
    fill(topGroups, el("h2", {}, t("topGroups")), bars(most(groups.groups, (one) => one.lag).map((one) => [one.name, one.lag, link("groups", { dialog: "detail", name: one.name })])));
    return state;
  }
  const state = await refresh();
  const now = Date.now();
  const from = now - 6 * 3600000;
  const names = state.clusters.flatMap(({ brokers }) => brokers.filter(({ role }) => role === "master").map(({ name, id }) => `${name}:${id}`)).slice(0, 3);
  const histories = await Promise.all(names.map((name) => get("history", { series: `broker:${name}`, from, to: now })));
  fill(trend, el("h2", {}, t("brokerTrend")), lines(histories.map((one, at) => ({ name: names[at], points: one.points.map(([ms, value]) => [ms, value]) })), from, now));
  return { refresh };
}
