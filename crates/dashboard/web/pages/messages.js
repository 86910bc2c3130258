// The message explorer.
import { attempt, dialog, el, field, fill, forInput, fromInput, millis, notice, num, pairs, tabs, time, values } from "../dom.js";
import { get, post } from "../net.js";
import { plain, Table } from "../table.js";
import { keep, may } from "../app.js";
import { t, told } from "../words.js";

const FIELDS = ["topic", "begin", "end", "tag", "key", "property", "value", "body", "id", "broker", "queueId", "offset"];
const MORE = ["property", "value", "body", "broker", "queueId", "offset"];
const HOURS = 3;

export async function draw(main, params) {
  const topics = (await get("topics").catch(() => ({ topics: [] }))).topics.map(({ name }) => name);
  const input = (name, more) => el("input", { name, value: params[name] || "", autocomplete: "off", spellcheck: "false", ...more });
  const form = el("form", { class: "form", onsubmit: (event) => { event.preventDefault(); search(); } },
    field(t("topic"), input("topic", { list: "topics" })),
    field(t("begin"), input("begin", { type: "datetime-local", step: "1", value: params.begin || forInput(Date.now() - HOURS * 3600000) })),
    field(t("end"), input("end", { type: "datetime-local", step: "1", value: params.end || "" })),
    field(t("msgId"), input("id", { class: "mono" })), field(t("tag"), input("tag")), field(t("key"), input("key")),
    el("details", { "data-more": true, open: MORE.some((name) => params[name]) }, el("summary", {}, t("moreFilters")), el("div", { class: "form" },
      field(t("bodyContains"), input("body")), field(t("property"), input("property")), field(t("propertyValue"), input("value")),
      field(t("broker"), input("broker")), field(t("queue"), input("queueId", { type: "number" })), field(t("offset"), input("offset", { type: "number" })))),
    el("div", { class: "buttons" }, el("button", { class: "primary", "data-action": "search" }, t("search")), el("button", { type: "button", onclick: () => { FIELDS.forEach((name) => { if (name !== "topic") form.querySelector(`[name=${name}]`).value = ""; }); } }, t("clear"))),
    el("datalist", { id: "topics" }, topics.map((name) => el("option", { value: name }))));
  let found = [];
  let cursor = null;
  const table = new Table({
    key: (row) => row.offsetMsgId, empty: t("noMessages"),
    columns: [
      { key: "time", title: t("storeTime"), cell: (row) => millis(row.storeTimestamp) },
      { key: "id", title: t("msgId"), class: "name", cell: (row) => el("button", { class: "link mono", "data-action": "view", onclick: () => view(row) }, row.msgId) },
      { key: "tags", title: t("tag"), small: true, class: "short", cell: (row) => row.tags ?? "" }, { key: "keys", title: t("key"), small: true, class: "short", cell: (row) => row.keys ?? "" },
      { key: "queue", title: t("queue"), small: true, cell: (row) => `${row.broker ?? ""}:${row.queueId}` }, { key: "offset", title: t("offset"), num: true, small: true, cell: (row) => num(row.offset) },
      { key: "size", title: t("size"), num: true, small: true, cell: (row) => num(row.bodySize) },
      { key: "body", title: t("body"), small: true, class: "rest", cell: (row) => el("span", { class: "mono muted" }, text(row).slice(0, 80)) },
    ],
  });
  const more = el("button", { "data-action": "more", onclick: () => load() }, t("olderMessages"));
  const status = el("span", { class: "muted small" });
  const place = el("div");
  fill(main, el("div", { class: "head" }, el("h1", {}, t("messages"))), el("div", { class: "panel" }, form), place);

  async function search() {
    const asked = values(form);
    keep(Object.fromEntries(FIELDS.map((name) => [name, asked[name]])));
    found = []; cursor = null;
    try {
      if (asked.id) found = [await get("messages/find", { topic: asked.topic, id: asked.id })];
      else if (asked.offset !== "" && asked.broker) found = [await get("messages/at", { topic: asked.topic, broker: asked.broker, queueId: asked.queueId || 0, offset: asked.offset })];
      else if (asked.topic) return await load();
      else return fill(place, el("div", { class: "empty" }, t("chooseTopic")));
      show();
    } catch (error) {
      fill(place, notice(error));
    }
  }
  async function load() {
    const asked = values(form);
    more.disabled = true;
    try {
      const answer = await get("messages", { topic: asked.topic, begin: fromInput(asked.begin), end: fromInput(asked.end), tag: asked.tag, key: asked.key, property: asked.property, value: asked.value, body: asked.body, cursor });
      found.push(...answer.messages);
      cursor = answer.next;
      fill(status, t("scanned", num(answer.scanned)));
      show();
    } catch (error) {
      fill(place, notice(error));
    }
    more.disabled = false;
  }
  function show() {
    table.show(found);
    fill(place, el("div", { class: "panel flush" }, table.node), el("div", { class: "buttons" }, cursor && more, status));
  }
  const view = (row) => { keep({ view: row.offsetMsgId }); messageDialog(row, () => keep({ view: null })); };
  if (params.topic || params.id) await search();
  if (params.view && !params.id) {
    const row = found.find((one) => one.offsetMsgId === params.view) || await get("messages/find", { id: params.view }).catch(() => null);
    if (row) messageDialog(row, () => keep({ view: null }));
  } else if (params.id && found.length === 1) messageDialog(found[0], () => keep({ id: null }));
  return {};
}

export function bytes(row) {
  return Uint8Array.from(atob(row.body), (char) => char.charCodeAt(0));
}

export function text(row) {
  return new TextDecoder().decode(bytes(row));
}

function hex(all) {
  const lines = [];
  for (let at = 0; at < all.length && at < 65536; at += 16) {
    const part = [...all.slice(at, at + 16)];
    lines.push(`${at.toString(16).padStart(8, "0")}  ${part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ").padEnd(47)}  ${part.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".")).join("")}`);
  }
  return lines.join("\n");
}

// One message: everything of it, its life, and what can be done with it.
export function messageDialog(row, onclose) {
  dialog("message", row.msgId, async (body, foot, close) => {
    const whole = row.bodyTruncated ? await get("messages/find", { topic: row.topic, id: row.offsetMsgId }) : row;
    const life = el("div", { class: "panel" }, el("span", { class: "muted" }, t("loading")));
    const content = el("div");
    const forms = { text: () => text(whole), json: () => JSON.stringify(JSON.parse(text(whole)), null, 2), hex: () => hex(bytes(whole)), base64: () => whole.body };
    let isJson = true;
    try { JSON.parse(text(whole)); } catch { isJson = false; }
    const show = (form) => fill(content, tabs([["text", t("text")], isJson && ["json", "JSON"], ["hex", t("hex")], ["base64", "Base64"]].filter(Boolean), form, show), el("pre", { class: form === "hex" ? "hex" : null, "data-body": form }, forms[form]()));
    show(isJson ? "json" : "text");
    fill(body,
      pairs([[t("topic"), whole.topic], [t("queue"), `${whole.broker ?? ""} · ${whole.queueId} · ${num(whole.offset)}`], [t("tag"), whole.tags ?? "–"], [t("key"), whole.keys ?? "–"], [t("bornTime"), `${millis(whole.bornTimestamp)} · ${whole.bornHost}`],
        [t("storeTime"), `${millis(whole.storeTimestamp)} · ${whole.storeHost}`], [t("offsetMsgId"), el("span", { class: "mono" }, whole.offsetMsgId)], [t("retries"), num(whole.reconsumeTimes)], [t("size"), t("bytes", num(whole.bodySize))]]),
      el("h2", {}, t("body")), content, el("p"), el("h2", {}, t("life")), life, el("h2", {}, t("properties")),
      plain([t("key"), t("value")], Object.entries(whole.properties).map(([key, value]) => [el("span", { class: "mono" }, key), value]), ["", "wrap"]));
    fill(foot, el("button", { "data-action": "copy", onclick: () => attempt(() => navigator.clipboard.writeText(text(whole)), t("copied")) }, t("copyBody")),
      el("a", { href: `data:application/octet-stream;base64,${whole.body}`, download: `${whole.msgId}.bin`, class: "button" }, t("download")),
      may("operate") && el("button", { "data-action": "again", onclick: () => attempt(async () => (await sendAgain(whole.topic, [whole.offsetMsgId])), t("sentAgain")) }, t("sendAgain")),
      may("operate") && el("button", { "data-action": "forward", onclick: () => forward(whole) }, t("sendElsewhere")),
      el("button", { onclick: close }, t("close")));
    drawLife(life, whole);
  }, { onclose });
}

function forward(message) {
  dialog("forward", t("sendElsewhere"), async (body, foot, close) => {
    const to = el("input", { name: "to", list: "targets", class: "mono", spellcheck: "false" });
    const names = (await get("topics").catch(() => ({ topics: [] }))).topics.filter(({ kind }) => kind === "normal").map(({ name }) => name);
    fill(body, el("div", { class: "fields" }, field(t("topic"), to)), el("datalist", { id: "targets" }, names.map((name) => el("option", { value: name }))));
    fill(foot, el("button", { onclick: close }, t("cancel")), el("button", { class: "primary", "data-submit": true, onclick: async () => {
      const work = async () => finished(await post("messages/resend", { topic: message.topic, ids: [message.offsetMsgId], to: to.value.trim() || null }));
      if ((await attempt(work, t("sentAgain"))).ok) close();
    } }, t("send")));
    to.focus();
  }, { narrow: true });
}

async function drawLife(place, message) {
  const found = await get("messages/life", { topic: message.topic, id: message.offsetMsgId }).catch((error) => ({ error }));
  if (found.error) return fill(place, notice(found.error));
  fill(place, el("ol", { class: "life" }, found.events.map((event) => el("li", { class: event.kind }, el("b", {}, t(`event_${event.kind}`)), " ", event.group && [event.group, " "], el("span", { class: "muted" }, time(event.time), " · ", event.host ?? (event.times === null ? event.text : t("failedTimes", event.times)), event.topic && ` · ${event.topic} ${event.broker ?? ""}:${event.queueId}:${event.offset}`)))),
    plain([t("group"), t("state"), t("retries"), ""], found.groups.map((one) => [one.group, el("span", { class: `tag ${one.state === "CONSUMED" ? "ok" : ["IN_DLQ", "UNKNOWN"].includes(one.state) ? "error" : "warning"}`, title: one.detail }, t(one.state)), one.retry === null ? "–" : t("retryOf", one.retry, one.of ?? "?"),
      may("operate") && el("button", { "data-action": "resend", "data-group": one.group, onclick: () => attempt(async () => resend(message.topic, [message.offsetMsgId], one.group), t("consumedNow")) }, t("consumeNow"))]), ["", "", "", "num"]));
}

// Waits for a task and says how it went.
async function finished({ task }, progress) {
  for (;;) {
    const state = await get(`tasks/${task}`);
    progress?.(state);
    if (state.finished) {
      if (state.failed) throw Object.assign(new Error(t("someFailed", state.failed, state.total)), { fix: state.errors.map((one) => `${one.id}: ${told(one.message)}`).slice(0, 3).join("\n") });
      return state;
    }
    await new Promise((wake) => setTimeout(wake, 250));
  }
}

export async function resend(topic, ids, group, progress) {
  return finished(await post("messages/resend", { topic, ids, group }), progress);
}

export async function sendAgain(topic, ids, progress) {
  return finished(await post("messages/resend", { topic, ids }), progress);
}
