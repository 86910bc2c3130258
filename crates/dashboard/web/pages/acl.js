// Accounts, white list, and what the rules say to a question.
import { attempt, check, confirmByName, dialog, el, field, fill, values } from "../dom.js";
import { get, post } from "../net.js";
import { Table } from "../table.js";
import { t } from "../words.js";

const PERMS = ["DENY", "PUB", "SUB", "PUB|SUB"];

export async function draw(main) {
  const rules = await get("acl");
  const head = el("div", { class: "head" }, el("h1", {}, t("acl")), el("span", { class: "grow" }), rules.enabled !== false && el("button", { class: "primary", "data-action": "add", onclick: () => edit({}) }, t("addAccount")));
  if (rules.enabled === false) {
    fill(main, head, el("div", { class: "notice info" }, t("aclOff")));
    return {};
  }
  const again = () => draw(main);
  const table = new Table({
    key: (row) => row.accessKey, sort: "key",
    columns: [
      { key: "key", title: t("account"), sort: (row) => row.accessKey, cell: (row) => row.accessKey }, { key: "admin", title: t("admin"), cell: (row) => row.admin ? el("span", { class: "tag warning" }, t("admin")) : "" },
      { key: "topic", title: t("defaultTopic"), small: true, cell: (row) => row.defaultTopicPerm ?? "–" }, { key: "group", title: t("defaultGroup"), small: true, cell: (row) => row.defaultGroupPerm ?? "–" },
      { key: "topics", title: t("topics"), small: true, class: "wrap", cell: (row) => row.topicPerms.join(", ") }, { key: "groups", title: t("groups"), small: true, class: "wrap", cell: (row) => row.groupPerms.join(", ") },
      { key: "white", title: t("whiteAddress"), small: true, cell: (row) => row.whiteRemoteAddress ?? "" },
      { key: "actions", title: "", class: "acts", cell: (row) => [el("button", { class: "icon", "data-action": "edit", title: t("edit"), onclick: () => edit(row) }, "✎"),
        el("button", { class: "icon danger", "data-action": "delete", title: t("delete"), onclick: () => confirmByName(row.accessKey, t("deleteAccount"), t("deleteAccountText", row.accessKey), async () => { await post("acl/delete", { accessKey: row.accessKey, confirm: row.accessKey }); again(); }) }, "✕")] },
    ],
  });
  const select = (name, value) => { const box = el("select", { name }, PERMS.map((one) => el("option", { value: one }, one))); box.value = value || "DENY"; return box; };
  const list = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);
  function edit(row) {
    dialog("account", row.accessKey || t("addAccount"), (body, foot, close) => {
      const form = el("div", { class: "fields" }, field(t("account"), el("input", { name: "accessKey", class: "mono", value: row.accessKey || "", readonly: !!row.accessKey })), field(row.accessKey ? t("newSecret") : t("secret"), el("input", { name: "secretKey", type: "password", autocomplete: "new-password" })),
        check(t("admin"), "admin", row.admin), field(t("defaultTopic"), select("defaultTopicPerm", row.defaultTopicPerm)), field(t("defaultGroup"), select("defaultGroupPerm", row.defaultGroupPerm)),
        field(t("topicPerms"), el("textarea", { name: "topicPerms", value: (row.topicPerms || []).join("\n") })), field(t("groupPerms"), el("textarea", { name: "groupPerms", value: (row.groupPerms || []).join("\n") })), field(t("whiteAddress"), el("input", { name: "whiteRemoteAddress", value: row.whiteRemoteAddress || "" })));
      fill(body, form);
      fill(foot, el("button", { onclick: close }, t("cancel")), el("button", { class: "primary", "data-submit": true, onclick: async () => {
        const entered = values(form);
        const account = { ...entered, secretKey: entered.secretKey || null, topicPerms: list(entered.topicPerms), groupPerms: list(entered.groupPerms) };
        if ((await attempt(() => post("acl/account", account), t("done"))).ok) { close(); again(); }
      } }, t("save")));
    }, { narrow: true });
  }
  const white = el("textarea", { name: "white", value: rules.white.join("\n") });
  const question = el("form", { class: "form", onsubmit: async (event) => {
    event.preventDefault();
    const { ok, result } = await attempt(() => post("acl/test", values(question)));
    if (ok) fill(answer, el("span", { class: result.allowed ? "tag ok" : "tag error" }, result.allowed ? t("allowed") : t("denied")), " ", result.rule);
  } }, field(t("account"), el("input", { name: "accessKey" })), field(t("action"), el("select", { name: "action" }, el("option", {}, "PUB"), el("option", {}, "SUB"))), field(t("topic"), el("input", { name: "topic" })), field(t("group"), el("input", { name: "group" })), field(t("address"), el("input", { name: "addr" })), el("button", { class: "primary", "data-action": "test" }, t("ask")));
  const answer = el("p");
  fill(main, head, el("div", { class: "panel flush" }, table.node),
    el("div", { class: "grid2" }, el("div", { class: "panel" }, el("h2", {}, t("whiteList")), el("div", { class: "fields" }, white, el("div", { class: "buttons" }, el("button", { "data-action": "white", onclick: () => attempt(() => post("acl/white", { white: list(white.value) }), t("done")) }, t("save"))))),
      el("div", { class: "panel" }, el("h2", {}, t("testRules")), question, answer)));
  table.show(rules.accounts);
  return {};
}
