// Topics.
import { attempt, check, confirmByName, dialog, el, field, fill, known, menuButton, num, rate, time, values } from "../dom.js";
import { classic, classicPost, get, post } from "../net.js";
import { plain, Table } from "../table.js";
import { go, keep, may, open } from "../app.js";
import { resetDialog } from "./reset.js";
import { t } from "../words.js";

const KINDS = ["normal", "retry", "dlq", "system"];

export async function draw(main, params) {
  let all = [];
  const kinds = new Set((params.kinds || "normal").split(","));
  const search = el("input", { type: "search", name: "q", placeholder: t("filter"), value: params.q || "", oninput: () => { keep({ q: search.value }); show(); } });
  const boxes = KINDS.map((kind) => el("label", { class: "check" }, el("input", { type: "checkbox", name: `kind-${kind}`, checked: kinds.has(kind), onchange: (event) => {
    if (event.target.checked) kinds.add(kind); else kinds.delete(kind);
    keep({ kinds: [...kinds].join(",") }); show();
  } }), t(`kind_${kind}`)));
  const number = (key, title, value, small) => ({ key, title, num: true, small, sort: value, cell: (row) => known(value(row), row.reason) });
  const table = new Table({
    page: true, key: (row) => row.name, sort: params.sort || "name", descending: params.down === "1", onsort: (sort, down) => keep({ sort, down: down ? "1" : null }),
    columns: [
      { key: "name", title: t("topic"), class: "name", sort: (row) => row.name, cell: (row) => el("button", { class: "link", "data-action": "status", title: row.name, onclick: () => open("status", row.name) }, row.name) },
      { key: "kind", title: t("kind"), small: true, sort: (row) => row.kind, cell: (row) => el("span", { class: "tag" }, t(`kind_${row.kind}`)) },
      { key: "queues", title: t("queues"), num: true, small: true, sort: (row) => row.writeQueues, cell: (row) => row.readQueues === row.writeQueues ? num(row.writeQueues) : `${row.writeQueues} / ${row.readQueues}` },
      number("messages", t("messages"), (row) => row.messages),
      { key: "inTps", title: t("inTps"), num: true, sort: (row) => row.inTps, cell: (row) => known(row.inTps, row.reason, rate) },
      { key: "outTps", title: t("outTps"), num: true, small: true, sort: (row) => row.outTps, cell: (row) => rate(row.outTps) },
      number("in24h", t("in24h"), (row) => row.in24h, true), number("out24h", t("out24h"), (row) => row.out24h, true),
      { key: "groups", title: t("groups"), num: true, small: true, sort: (row) => row.groups?.length, cell: (row) => el("span", { title: row.groups?.join("\n") }, num(row.groups?.length)) },
      { key: "last", title: t("lastMessage"), small: true, sort: (row) => row.lastUpdate, cell: (row) => time(row.lastUpdate) },
      { key: "actions", title: "", class: "acts", cell: (row) => menuButton(() => actions(row)) },
    ],
  });
  const actions = (row) => [
    ["status", t("status"), () => open("status", row.name)], ["route", t("route"), () => open("route", row.name)], ["consumers", t("consumers"), () => open("consumers", row.name)],
    ["messages", t("messages"), () => go("messages", { topic: row.name })], ["chart", t("history"), () => go("history", { series: `topic:${row.name}` })],
    ["config", t("config"), () => open("config", row.name)],
    may("operate") && ["send", t("sendMessage"), () => open("send", row.name)], may("operate") && ["reset", t("resetOffset"), () => open("reset", row.name)],
    may("operate") && ["skip", t("skipAccumulate"), () => open("skip", row.name)],
    may("admin") && ["delete", t("delete"), () => remove(row.name), true],
  ];
  const show = () => table.show(all.filter((row) => kinds.has(row.kind) && row.name.toLowerCase().includes(search.value.toLowerCase())));
  const trouble = el("div");
  fill(main, el("div", { class: "head" }, el("h1", {}, t("topics")), el("span", { class: "grow" }), may("operate") && el("button", { class: "primary", "data-action": "add", onclick: () => open("add") }, t("addTopic"))),
    trouble, el("div", { class: "filters" }, search, boxes), el("div", { class: "panel flush" }, table.node));
  async function refresh() {
    const answer = await get("topics");
    all = answer.topics;
    fill(trouble, answer.error && el("div", { class: "notice" }, answer.error));
    show();
  }
  const soon = () => setTimeout(() => refresh().catch(() => {}), 700);
  const remove = (name) => confirmByName(name, t("deleteTopic"), t("deleteTopicText", name), async () => { await post("topics/delete", { topic: name, confirm: name }); soon(); });
  await refresh();
  return {
    refresh,
    dialogs: {
      status: (name, onclose) => dialog("status", `${t("status")} · ${name}`, async (body) => {
        const { offsetTable } = await classic("topic/stats.query", { topic: name });
        const rows = Object.entries(offsetTable).map(([key, value]) => ({ ...queue(key), ...value })).sort((a, b) => a.broker.localeCompare(b.broker) || a.id - b.id);
        fill(body, plain([t("broker"), t("queue"), t("minOffset"), t("maxOffset"), t("messages"), t("lastMessage")],
          rows.map((row) => [row.broker, row.id, num(row.minOffset), num(row.maxOffset), num(row.maxOffset - row.minOffset), time(row.lastUpdateTimestamp)]), ["", "num", "num", "num", "num", ""]));
      }, { onclose }),
      route: (name, onclose) => dialog("route", `${t("route")} · ${name}`, async (body) => {
        const route = await classic("topic/route.query", { topic: name });
        fill(body, el("h2", {}, t("brokers")), plain([t("broker"), t("cluster"), t("address")], route.brokerDatas.map((one) => [one.brokerName, one.cluster, Object.entries(one.brokerAddrs).map(([id, addr]) => `${id}: ${addr}`).join(", ")]), ["", "", "wrap mono"]),
          el("h2", {}, t("queues")), plain([t("broker"), t("readQueues"), t("writeQueues"), t("perm")], route.queueDatas.map((one) => [one.brokerName, one.readQueueNums, one.writeQueueNums, one.perm]), ["", "num", "num", "num"]));
      }, { onclose }),
      consumers: (name, onclose) => dialog("consumers", `${t("consumers")} · ${name}`, async (body) => {
        const all = await classic("topic/queryConsumerByTopic.query", { topic: name });
        const groups = Object.entries(all);
        fill(body, !groups.length && el("div", { class: "empty" }, t("noConsumers")), groups.map(([group, one]) => [
          el("h2", {}, el("a", { href: `#/groups?dialog=detail&name=${encodeURIComponent(group)}` }, group), " ", el("span", { class: "muted small" }, t("lagOf", num(one.diffTotal)))),
          plain([t("broker"), t("queue"), t("brokerOffset"), t("consumerOffset"), t("lag"), t("owner"), t("lastTime")],
            one.queueStatInfoList.map((row) => [row.brokerName, row.queueId, num(row.brokerOffset), num(row.consumerOffset), num(row.brokerOffset - row.consumerOffset), row.clientInfo || "–", time(row.lastTimestamp)]), ["", "num", "num", "num", "num", "mono", ""])]));
      }, { onclose }),
      config: (name, onclose) => dialog("config", `${t("config")} · ${name}`, async (body) => {
        const configs = await classic("topic/examineTopicConfig.query", { topic: name });
        fill(body, configs.map((config) => {
          const form = topicForm(config);
          return el("div", { class: "panel", "data-broker": config.brokerNameList[0] }, el("h2", {}, config.brokerNameList.join(", ")), form,
            may("operate") && el("div", { class: "buttons" }, el("button", { class: "primary", "data-submit": true, onclick: async () => {
              await attempt(() => classicPost("topic/createOrUpdate.do", { ...config, ...topicOf(form) }), t("done")); soon();
            } }, t("save"))));
        }));
      }, { onclose }),
      add: (_, onclose) => dialog("add", t("addTopic"), async (body, foot, close) => {
        const { clusterInfo } = await classic("cluster/list.query");
        const name = el("input", { name: "topicName", class: "mono", spellcheck: "false" });
        const clusters = Object.keys(clusterInfo.clusterAddrTable);
        const places = el("select", { name: "place" }, clusters.map((one) => el("option", { value: `c:${one}` }, `${t("cluster")} ${one}`)), Object.keys(clusterInfo.brokerAddrTable).map((one) => el("option", { value: `b:${one}` }, `${t("broker")} ${one}`)));
        const form = topicForm({ writeQueueNums: 8, readQueueNums: 8, perm: 6, order: false });
        fill(body, el("div", { class: "fields" }, field(t("topic"), name), field(t("where"), places), form));
        fill(foot, el("button", { onclick: close }, t("cancel")), el("button", { class: "primary", "data-submit": true, onclick: async () => {
          const [kind, place] = [places.value[0], places.value.slice(2)];
          const request = { topicName: name.value.trim(), clusterNameList: kind === "c" ? [place] : [], brokerNameList: kind === "b" ? [place] : [], ...topicOf(form) };
          if ((await attempt(() => classicPost("topic/createOrUpdate.do", request), t("done"))).ok) { close(); soon(); }
        } }, t("save")));
        name.focus();
      }, { narrow: true, onclose }),
      send: (name, onclose) => dialog("send", `${t("sendMessage")} · ${name}`, (body, foot, close) => {
        const form = el("div", { class: "fields" }, field(t("tag"), el("input", { name: "tag" })), field(t("key"), el("input", { name: "key" })), field(t("body"), el("textarea", { name: "messageBody" })), check(t("traced"), "traceEnabled"));
        const sent = el("div");
        fill(body, form, sent);
        fill(foot, el("button", { onclick: close }, t("close")), el("button", { class: "primary", "data-submit": true, onclick: async () => {
          const done = await attempt(() => classicPost("topic/sendTopicMessage.do", { topic: name, ...values(form) }), ({ sendStatus }) => sendStatus);
          if (done.ok) fill(sent, plain([t("msgId"), t("broker"), t("queue"), t("offset")], [[el("a", { href: `#/messages?topic=${encodeURIComponent(name)}&id=${done.result.msgId}`, class: "mono" }, done.result.msgId), done.result.messageQueue.brokerName, done.result.messageQueue.queueId, done.result.queueOffset]]));
          soon();
        } }, t("send")));
      }, { narrow: true, onclose }),
      reset: (name, onclose) => resetDialog({ topic: name, onclose, done: soon }),
      skip: (name, onclose) => resetDialog({ topic: name, skip: true, onclose, done: soon }),
    },
  };
}

function queue(text) {
  const found = /brokerName=(.*), queueId=(\d+)\]$/.exec(text);
  return { broker: found?.[1] ?? text, id: Number(found?.[2] ?? 0) };
}

function topicForm(config) {
  return el("div", { class: "form" }, field(t("writeQueues"), el("input", { name: "writeQueueNums", type: "number", min: "1", value: config.writeQueueNums })),
    field(t("readQueues"), el("input", { name: "readQueueNums", type: "number", min: "1", value: config.readQueueNums })),
    field(t("perm"), permSelect(config.perm)), check(t("ordered"), "order", config.order));
}

function permSelect(perm) {
  const select = el("select", { name: "perm" }, [[6, t("readWrite")], [4, t("readOnly")], [2, t("writeOnly")], [0, t("noAccess")]].map(([value, label]) => el("option", { value }, `${value} · ${label}`)));
  select.value = String(perm);
  if (select.value !== String(perm)) { select.append(el("option", { value: perm }, perm)); select.value = String(perm); }
  return select;
}

function topicOf(form) {
  const { writeQueueNums, readQueueNums, perm, order } = values(form);
  return { writeQueueNums: Number(writeQueueNums), readQueueNums: Number(readQueueNums), perm: Number(perm), order };
}
