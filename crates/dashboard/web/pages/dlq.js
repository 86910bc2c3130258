// Dead letters: look, select, send again, take away as a file.
import { attempt, confirmByName, el, failed, fill, known, millis, notice, num, time } from "../dom.js";
import { get, post, query } from "../net.js";
import { Table } from "../table.js";
import { keep, may } from "../app.js";
import { messageDialog, resend, sendAgain, text } from "./messages.js";
import { t } from "../words.js";

export async function draw(main, params) {
  const place = el("div");
  const groups = new Table({
    key: (row) => row.group, sort: "messages", descending: true, empty: t("noDeadLetters"),
    selected: (row) => row.group === params.group,
    columns: [
      { key: "group", title: t("group"), class: "name", sort: (row) => row.group, cell: (row) => el("button", { class: "link", "data-action": "open", onclick: () => choose(row.group) }, row.group) },
      { key: "messages", title: t("messages"), num: true, sort: (row) => row.messages, cell: (row) => known(row.messages, row.reason) },
      { key: "last", title: t("lastMessage"), sort: (row) => row.lastTimestamp, cell: (row) => time(row.lastTimestamp) },
    ],
  });
  fill(main, el("div", { class: "head" }, el("h1", {}, t("dlq"))), el("div", { class: "panel flush" }, groups.node), place);
  async function refresh() {
    groups.show((await get("dlq")).groups);
  }
  function emptied() {
    params.group = null;
    keep({ group: null });
    fill(place);
    setTimeout(() => refresh().catch(() => {}), 700);
  }
  async function choose(group) {
    params.group = group;
    keep({ group });
    await letters(place, group, emptied);
    await refresh();
  }
  await refresh();
  if (params.group) await letters(place, params.group, emptied).catch((error) => fill(place, notice(error)));
  return { refresh };
}

// An address that names more would be refused.
const EXPORT_MAX = 1000;

async function letters(place, group, emptied) {
  const topic = `%DLQ%${group}`;
  const chosen = new Set();
  let all = [];
  let cursor = null;
  const count = el("span", { class: "muted" });
  const bar = el("progress", { value: 0, max: 1, hidden: true });
  const table = new Table({
    key: (row) => row.offsetMsgId, empty: t("noDeadLetters"), selected: (row) => chosen.has(row.offsetMsgId),
    columns: [
      { key: "pick", title: "", cell: (row) => el("input", { type: "checkbox", name: "pick", "aria-label": row.msgId, checked: chosen.has(row.offsetMsgId), onchange: (event) => { if (event.target.checked) chosen.add(row.offsetMsgId); else chosen.delete(row.offsetMsgId); tell(); } }) },
      { key: "time", title: t("storeTime"), cell: (row) => millis(row.storeTimestamp) },
      { key: "id", title: t("msgId"), class: "name", cell: (row) => el("button", { class: "link mono", "data-action": "view", onclick: () => messageDialog(row) }, row.msgId) },
      { key: "topic", title: t("origin"), small: true, class: "name", cell: (row) => row.properties.RETRY_TOPIC ?? row.properties.DLQ_ORIGIN_TOPIC ?? "–" },
      { key: "keys", title: t("key"), small: true, class: "short", cell: (row) => row.keys ?? "" },
      { key: "retries", title: t("retries"), num: true, small: true, cell: (row) => num(row.reconsumeTimes) },
      { key: "body", title: t("body"), small: true, class: "rest", cell: (row) => el("span", { class: "mono muted" }, text(row).slice(0, 80)) },
    ],
  });
  const buttons = el("div", { class: "buttons" });
  const tell = () => {
    fill(count, t("selected", chosen.size, all.length));
    for (const button of buttons.querySelectorAll("[data-chosen]")) button.disabled = !chosen.size;
    for (const format of ["csv", "json"]) {
      const a = buttons.querySelector(`[data-action=export-${format}]`);
      a.href = `api/v1/dlq/${encodeURIComponent(group)}/export${query({ format, ids: [...chosen].slice(0, EXPORT_MAX).join(",") })}`;
      fill(a, t("export", format.toUpperCase()), chosen.size > 0 && ` (${Math.min(chosen.size, EXPORT_MAX)})`);
    }
  };
  const act = async (work, done) => {
    bar.hidden = false;
    const ids = [...chosen];
    await attempt(() => work(ids, (state) => { bar.max = state.total; bar.value = state.done; }), done);
    bar.hidden = true;
  };
  const load = async () => {
    try {
      const answer = await get("messages", { topic, limit: 100, cursor });
      all.push(...answer.messages);
      cursor = answer.next;
      table.show(all);
      more.hidden = !cursor;
      tell();
    } catch (error) {
      failed(error);
    }
  };
  const more = el("button", { "data-action": "more", onclick: load }, t("olderMessages"));
  const download = (format) => el("a", { download: "", class: "button", "data-action": `export-${format}` });
  fill(buttons, el("button", { "data-action": "all", onclick: () => { const every = chosen.size === all.length; chosen.clear(); if (!every) all.forEach((row) => chosen.add(row.offsetMsgId)); table.show(all); tell(); } }, t("selectAll")),
    may("operate") && el("button", { class: "primary", "data-action": "again", "data-chosen": true, onclick: () => act((ids, progress) => sendAgain(topic, ids, progress), t("sentAgain")) }, t("sendAgain")),
    may("operate") && el("button", { "data-action": "resend", "data-chosen": true, onclick: () => act((ids, progress) => resend(topic, ids, group, progress), t("consumedNow")) }, t("consumeNow")), download("csv"), download("json"),
    may("admin") && el("button", { class: "danger", "data-action": "purge", onclick: () => confirmByName(group, t("purge"), t("purgeText", group), async () => { await post("topics/delete", { topic, confirm: topic }); emptied(); }) }, t("purge")), count, bar);
  fill(place, el("div", { class: "panel" }, el("h2", {}, group), buttons), el("div", { class: "panel flush" }, table.node), more);
  await load();
}
