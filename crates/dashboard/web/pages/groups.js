// Consumer groups.
import { attempt, check, confirmByName, dialog, el, field, fill, known, menuButton, num, pairs, rate, span, tabs, time, values } from "../dom.js";
import { spark } from "../chart.js";
import { classic, classicPost, get, post } from "../net.js";
import { plain, Table } from "../table.js";
import { go, keep, link, may, open } from "../app.js";
import { resetDialog } from "./reset.js";
import { t } from "../words.js";

export async function draw(main, params) {
  let all = [];
  const search = el("input", { type: "search", name: "q", placeholder: t("filter"), value: params.q || "", oninput: () => { keep({ q: search.value }); show(); } });
  const system = el("input", { type: "checkbox", name: "system", checked: params.system === "1", onchange: () => { keep({ system: system.checked ? "1" : null }); show(); } });
  const table = new Table({
    page: true, key: (row) => row.name, sort: params.sort || "name", descending: params.down === "1", onsort: (sort, down) => keep({ sort, down: down ? "1" : null }),
    columns: [
      { key: "name", title: t("group"), class: "name", sort: (row) => row.name, cell: (row) => [el("button", { class: "link", "data-action": "detail", title: row.name, onclick: () => open("detail", row.name) }, row.name), row.problems > 0 && [" ", el("span", { class: "tag warning" }, row.problems)]] },
      { key: "clients", title: t("clients"), num: true, sort: (row) => row.clients, cell: (row) => known(row.clients, row.reason) },
      { key: "type", title: t("type"), small: true, sort: (row) => row.type, cell: (row) => row.type ? t(row.type) : "–" },
      { key: "model", title: t("model"), small: true, sort: (row) => row.model, cell: (row) => row.model ? t(row.model) : "–" },
      { key: "version", title: t("version"), small: true, sort: (row) => row.version, cell: (row) => row.version || "–" },
      { key: "outTps", title: t("outTps"), num: true, sort: (row) => row.outTps, cell: (row) => rate(row.outTps) },
      { key: "lag", title: t("lag"), num: true, sort: (row) => row.lag, cell: (row) => known(row.lag, row.reason) },
      { key: "trend", title: "", small: true, cell: (row) => spark(row.lags) },
      { key: "lagMillis", title: t("lagTime"), num: true, small: true, sort: (row) => row.lagMillis, cell: (row) => row.lag ? span(row.lagMillis) : known(row.lag === null ? null : 0, row.reason, () => "0") },
      { key: "retry", title: t("retry"), num: true, small: true, sort: (row) => row.retry, cell: (row) => num(row.retry) },
      { key: "dlq", title: t("dlq"), num: true, small: true, sort: (row) => row.dlq, cell: (row) => row.dlq ? el("a", { class: "bad", href: link("dlq", { group: row.name }) }, num(row.dlq)) : "0" },
      { key: "actions", title: "", class: "acts", cell: (row) => menuButton(() => actions(row)) },
    ],
  });
  const actions = (row) => [
    ["detail", t("consumeDetail"), () => open("detail", row.name)], ["clients", t("clients"), () => open("clients", row.name)], ["chart", t("history"), () => go("history", { series: `group:${row.name}` })],
    ["config", t("config"), () => open("config", row.name)], ["limits", t("limits"), () => open("limits", row.name)],
    may("operate") && ["reset", t("resetOffset"), () => open("reset", row.name)], may("admin") && ["delete", t("delete"), () => open("delete", row.name), true],
  ];
  const show = () => table.show(all.filter((row) => (system.checked || !row.system) && row.name.toLowerCase().includes(search.value.toLowerCase())));
  const trouble = el("div");
  fill(main, el("div", { class: "head" }, el("h1", {}, t("groups")), el("span", { class: "grow" }), may("operate") && el("button", { class: "primary", "data-action": "add", onclick: () => open("add") }, t("addGroup"))),
    trouble, el("div", { class: "filters" }, search, el("label", { class: "check" }, system, t("systemGroups"))), el("div", { class: "panel flush" }, table.node));
  async function refresh() {
    const answer = await get("groups");
    all = answer.groups;
    fill(trouble, answer.error && el("div", { class: "notice" }, answer.error));
    show();
  }
  const soon = () => setTimeout(() => refresh().catch(() => {}), 700);
  await refresh();
  return {
    refresh,
    dialogs: {
      detail: (name, onclose) => dialog("detail", name, (body) => drawDetail(body, name), { onclose }),
      clients: (name, onclose) => dialog("clients", `${t("clients")} · ${name}`, (body) => drawClients(body, name), { onclose }),
      config: (name, onclose) => dialog("config", `${t("config")} · ${name}`, async (body) => {
        const configs = await classic("consumer/examineSubscriptionGroupConfig.query", { consumerGroup: name });
        fill(body, configs.map((config) => {
          const form = groupForm(config.subscriptionGroupConfig);
          return el("div", { class: "panel", "data-broker": config.brokerNameList[0] }, el("h2", {}, config.brokerNameList.join(", ")), form, may("operate") && el("div", { class: "buttons" }, el("button", { class: "primary", "data-submit": true, onclick: async () => {
            const subscriptionGroupConfig = { ...config.subscriptionGroupConfig, ...groupOf(form) };
            await attempt(() => classicPost("consumer/createOrUpdate.do", { brokerNameList: config.brokerNameList, subscriptionGroupConfig }), t("done")); soon();
          } }, t("save"))));
        }));
      }, { onclose }),
      limits: (name, onclose) => dialog("limits", `${t("limits")} · ${name}`, async (body, foot, close) => {
        const now = await classic("monitor/consumerMonitorConfigByGroupName.query", { consumeGroupName: name });
        const form = el("div", { class: "fields" }, el("p", { class: "muted" }, t("limitsText")), field(t("minCount"), el("input", { name: "minCount", type: "number", min: "0", value: now?.minCount ?? 1 })), field(t("maxLag"), el("input", { name: "maxDiffTotal", type: "number", min: "0", value: now?.maxDiffTotal ?? 10000 })));
        fill(body, form);
        fill(foot, now && el("button", { class: "danger", "data-action": "remove", onclick: async () => { if ((await attempt(() => classicPost("monitor/deleteConsumerMonitor.do", null, { consumeGroupName: name }), t("done"))).ok) close(); } }, t("remove")),
          el("button", { class: "primary", "data-submit": true, onclick: async () => { if ((await attempt(() => classicPost("monitor/createOrUpdateConsumerMonitor.do", null, { consumeGroupName: name, ...values(form) }), t("done"))).ok) close(); } }, t("save")));
      }, { narrow: true, onclose }),
      add: (_, onclose) => dialog("add", t("addGroup"), async (body, foot, close) => {
        const { clusterInfo } = await classic("cluster/list.query");
        const name = el("input", { name: "groupName", class: "mono", spellcheck: "false" });
        const clusters = el("select", { name: "cluster" }, Object.keys(clusterInfo.clusterAddrTable).map((one) => el("option", { value: one }, one)));
        const form = groupForm({ consumeEnable: true, consumeFromMinEnable: true, consumeBroadcastEnable: true, retryQueueNums: 1, retryMaxTimes: 16, brokerId: 0, whichBrokerWhenConsumeSlowly: 1, notifyConsumerIdsChangedEnable: true });
        fill(body, el("div", { class: "fields" }, field(t("group"), name), field(t("cluster"), clusters), form));
        fill(foot, el("button", { onclick: close }, t("cancel")), el("button", { class: "primary", "data-submit": true, onclick: async () => {
          const subscriptionGroupConfig = { groupName: name.value.trim(), ...groupOf(form) };
          if ((await attempt(() => classicPost("consumer/createOrUpdate.do", { clusterNameList: [clusters.value], subscriptionGroupConfig }), t("done"))).ok) { close(); soon(); }
        } }, t("save")));
        name.focus();
      }, { narrow: true, onclose }),
      reset: (name, onclose) => resetDialog({ group: name, onclose, done: soon }),
      delete: (name, onclose) => {
        onclose();
        const boxes = (all.find((row) => row.name === name)?.brokers || []).map((broker) => el("input", { type: "checkbox", name: "broker", value: broker, checked: true }));
        const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);
        const more = boxes.length > 0 && el("div", { class: "fields" }, el("span", { class: "muted small" }, t("onBrokers")), boxes.map((box) => el("label", { class: "check" }, box, box.value)));
        // All of them: also those where only offsets are left.
        const brokers = () => (chosen().length === boxes.length ? null : chosen());
        confirmByName(name, t("deleteGroup"), t("deleteGroupText", name), async () => { await post("groups/delete", { group: name, brokers: brokers(), confirm: name, withOffsets: true }); soon(); },
          { more: more || null, ready: () => !boxes.length || chosen().length > 0 });
      },
    },
  };
}

async function drawDetail(body, name) {
  const rows = await get(`groups/${encodeURIComponent(name)}/queues`);
  const topics = [...new Set(rows.map((row) => row.topic))];
  fill(body, !topics.length && el("div", { class: "empty" }, t("noProgress")), topics.map((topic) => {
    const own = rows.filter((row) => row.topic === topic);
    return [el("h2", {}, topic, " ", el("span", { class: "muted small" }, t("lagOf", num(own.reduce((sum, row) => sum + row.lag, 0))))),
      plain([t("broker"), t("queue"), t("brokerOffset"), t("consumerOffset"), t("lag"), t("lagTime"), t("owner"), t("lastTime")], own.map((row) => [
        row.broker, row.queueId, num(row.brokerOffset), num(row.consumerOffset), num(row.lag), row.lag > 0 ? span(row.lagMillis) : "0",
        row.owner ? el("button", { class: "link mono", "data-action": "client", onclick: () => clientDialog(name, row.owner) }, row.owner) : el("span", { class: "muted" }, t("noOwner")), time(row.lastTimestamp)]), ["", "num", "num", "num", "num", "num", "", ""])];
  }));
}

async function drawClients(body, name) {
  const found = await classic("consumer/consumerConnection.query", { consumerGroup: name });
  // Brokers know one subscription of a group; whether members differ, only they can tell.
  const each = found.connectionSet.length > 1 && await get(`groups/${encodeURIComponent(name)}/members`).catch(() => null);
  const differing = Object.keys(each?.differing || {});
  fill(body, differing.length > 0 && el("div", { class: "notice", "data-differing": true }, t("subscriptionsDiffer", differing.join(", "))),
    pairs([[t("type"), t(found.consumeType)], [t("model"), t(found.messageModel)], [t("from"), found.consumeFromWhere]]),
    plain([t("clientId"), t("address"), t("language"), t("version")], found.connectionSet.map((one) => [el("button", { class: "link mono", "data-action": "client", onclick: () => clientDialog(name, one.clientId) }, one.clientId), one.clientAddr, one.language, one.versionDesc])),
    el("h2", {}, t("subscriptions")), differing.length ? ofMembers(each.members) : plain([t("topic"), t("expression"), t("kind")], Object.values(found.subscriptionTable).map((one) => [one.topic, el("span", { class: "mono" }, one.subString), one.expressionType]), ["", "wrap", ""]));
}

// The subscriptions of each member.
function ofMembers(members) {
  const topics = [...new Set(members.flatMap((one) => (one.subscriptions || []).map(({ topic }) => topic)))].sort();
  return plain([t("clientId"), t("topic"), t("expression")], members.flatMap((one) => !one.subscriptions ? [[el("span", { class: "mono" }, one.clientId), el("span", { class: "muted" }, t("silent")), ""]]
    : topics.map((topic) => [el("span", { class: "mono" }, one.clientId), topic, el("span", { class: "mono" }, one.subscriptions.find((own) => own.topic === topic)?.expression ?? t("notSubscribed"))])), ["", "", "wrap"]);
}

// One member: its settings, queues, rates and stacks.
function clientDialog(group, clientId) {
  dialog("client", clientId, async (body) => {
    let info = await classic("consumer/consumerRunningInfo.query", { consumerGroup: group, clientId, jstack: false });
    async function show(tab) {
      if (tab === "stack" && !info.jstack) info = await classic("consumer/consumerRunningInfo.query", { consumerGroup: group, clientId, jstack: true });
      const parts = {
        status: () => plain([t("topic"), t("pullTps"), t("pullRt"), t("okTps"), t("failedTps"), t("consumeRt"), t("failedHour")], Object.entries(info.statusTable || {}).map(([topic, one]) => [topic, rate(one.pullTPS), rate(one.pullRT), rate(one.consumeOKTPS), rate(one.consumeFailedTPS), rate(one.consumeRT), num(one.consumeFailedMsgs)])),
        queues: () => plain([t("queue"), t("cached"), t("cachedMib"), t("offset"), t("locked"), t("lastPull"), t("lastConsume")], Object.entries(info.mqTable || {}).map(([queue, one]) => [queue.replace("MessageQueue ", ""), num(one.cachedMsgCount), num(one.cachedMsgSizeInMiB), num(one.commitOffset), String(one.locked), time(one.lastPullTimestamp), time(one.lastConsumeTimestamp)])),
        properties: () => plain([t("key"), t("value")], Object.entries(info.properties || {}).map(([key, value]) => [el("span", { class: "mono" }, key), value]), ["", "wrap"]),
        stack: () => el("pre", {}, info.jstack || t("noStack")),
      };
      fill(body, tabs([["status", t("rates")], ["queues", t("queues")], ["properties", t("properties")], ["stack", t("stack")]], tab, (next) => show(next)), parts[tab]());
    }
    await show("status");
  });
}

function groupForm(config) {
  return el("div", { class: "form" }, check(t("consumeEnable"), "consumeEnable", config.consumeEnable), check(t("broadcastEnable"), "consumeBroadcastEnable", config.consumeBroadcastEnable), check(t("fromMinEnable"), "consumeFromMinEnable", config.consumeFromMinEnable), check(t("notifyEnable"), "notifyConsumerIdsChangedEnable", config.notifyConsumerIdsChangedEnable),
    ...[["retryQueueNums", "retryQueues"], ["retryMaxTimes", "retryMax"], ["brokerId", "brokerId"], ["whichBrokerWhenConsumeSlowly", "slowBroker"]].map(([name, label]) => field(t(label), el("input", { name, type: "number", value: config[name] }))));
}

function groupOf(form) {
  const found = values(form);
  for (const name of ["retryQueueNums", "retryMaxTimes", "brokerId", "whichBrokerWhenConsumeSlowly"]) found[name] = Number(found[name]);
  return found;
}
