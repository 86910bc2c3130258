// What clients tell of a message.
import { el, field, fill, millis, notice, num, pairs, time } from "../dom.js";
import { classic } from "../net.js";
import { plain } from "../table.js";
import { app, keep, link } from "../app.js";
import { t } from "../words.js";

export async function draw(main, params) {
  const input = (name, value) => el("input", { name, value: params[name] || value || "", spellcheck: "false", class: "mono" });
  const [id, topic, key, traceTopic] = [input("id"), input("topic"), input("key"), input("traceTopic", app.session.traceTopic || "RMQ_SYS_TRACE_TOPIC")];
  const place = el("div");
  fill(main, el("div", { class: "head" }, el("h1", {}, t("trace"))),
    el("form", { class: "panel form", onsubmit: (event) => { event.preventDefault(); ask(); } }, field(t("msgId"), id), field(t("topic"), topic), field(t("key"), key), field(t("traceTopic"), traceTopic), el("button", { class: "primary", "data-action": "search" }, t("search"))), place);
  async function ask() {
    keep({ id: id.value, topic: topic.value, key: key.value, traceTopic: traceTopic.value });
    try {
      if (id.value) return drawGraph(place, await classic("messageTrace/viewMessageTraceGraph.query", { msgId: id.value, traceTopic: traceTopic.value }));
      if (!topic.value || !key.value) return fill(place, el("div", { class: "empty" }, t("traceText")));
      const found = await classic("message/queryMessageByTopicAndKey.query", { topic: topic.value, key: key.value });
      fill(place, el("div", { class: "panel flush" }, plain([t("msgId"), t("tag"), t("key"), t("storeTime")], found.map((one) => [
        el("a", { class: "mono", href: link("trace", { id: one.msgId, traceTopic: traceTopic.value }) }, one.msgId), one.properties.TAGS ?? "", one.properties.KEYS ?? "", time(one.storeTimestamp)]))));
    } catch (error) {
      fill(place, notice(error));
    }
  }
  if (params.id || params.key) await ask();
  else fill(place, el("div", { class: "empty" }, t("traceText")));
  return {};
}

function drawGraph(place, { producerNode, subscriptionNodeList }) {
  if (!producerNode && !subscriptionNodeList.length) return fill(place, el("div", { class: "empty" }, t("noTrace")));
  const steps = [
    ...(producerNode ? [{ name: `${t("sent")} · ${producerNode.groupName}`, ...producerNode.traceNode }] : []),
    ...(producerNode?.transactionNodeList || []).map((one) => ({ name: `${one.transactionState} · ${producerNode.groupName}`, ...one })),
    ...subscriptionNodeList.flatMap((group) => group.consumeNodeList.map((one) => ({ name: group.subscriptionGroup, ...one }))),
  ];
  const from = Math.min(...steps.map((one) => one.beginTimestamp));
  const to = Math.max(...steps.map((one) => one.endTimestamp), from + 1);
  const line = (one) => {
    const bar = el("i", { class: one.status === "failed" ? "failed" : null, title: `${millis(one.beginTimestamp)} – ${millis(one.endTimestamp)}` });
    bar.style.left = `${((one.beginTimestamp - from) / (to - from)) * 98}%`;
    bar.style.width = `${((one.endTimestamp - one.beginTimestamp) / (to - from)) * 98}%`;
    return el("div", { class: "traceline" }, bar);
  };
  fill(place,
    producerNode && el("div", { class: "panel" }, el("h2", {}, t("sent")), pairs([[t("msgId"), el("a", { class: "mono", href: link("messages", { topic: producerNode.topic, id: producerNode.msgId }) }, producerNode.msgId)], [t("topic"), producerNode.topic], [t("producerGroup"), producerNode.groupName], [t("tag"), producerNode.tags ?? "–"], [t("key"), producerNode.keys ?? "–"], [t("kind"), producerNode.traceNode.msgType], [t("address"), producerNode.traceNode.clientHost], [t("store"), producerNode.traceNode.storeHost ?? "–"], [t("cost"), `${num(producerNode.traceNode.costTime)} ms`]])),
    el("div", { class: "panel flush" }, plain([t("step"), t("begin"), t("cost"), t("state"), t("retries"), t("client"), ""], steps.map((one) => [
      one.name, millis(one.beginTimestamp), `${num(one.costTime)} ms`, el("span", { class: `tag ${one.status === "success" ? "ok" : one.status === "failed" ? "error" : ""}` }, one.status), num(Math.max(0, one.retryTimes)), one.clientHost, line(one)]), ["name", "", "num", "", "num hide-small", "hide-small", "hide-small"])));
}
