// Name servers and the switches of 1.0.0; for everybody, until the dashboard ends.
import { attempt, el, field, fill } from "../dom.js";
import { classic, classicPost, get } from "../net.js";
import { plain } from "../table.js";
import { app, may } from "../app.js";
import { t } from "../words.js";

export async function draw(main) {
  const [page, overview] = await Promise.all([classic("ops/homePage.query"), get("overview")]);
  const list = el("select", { name: "list" }, page.namesvrAddrList.map((one) => el("option", { value: one }, one)));
  const other = el("input", { name: "nameSvrAddrList", placeholder: "192.168.0.1:9876;192.168.0.2:9876", class: "mono" });
  const update = async () => {
    const nameSvrAddrList = other.value.trim() || list.value;
    if ((await attempt(() => classicPost("ops/updateNameSvrAddr.do", null, { nameSvrAddrList }), t("done"))).ok) {
      app.session = await get("session");
      draw(main);
    }
  };
  const toggle = (label, name, on, path) => el("label", { class: "check" }, el("input", { type: "checkbox", name, checked: on, disabled: !may("admin"), onchange: (event) => attempt(() => classicPost(path, null, { [name]: event.target.checked }), t("done")) }), label);
  fill(main, el("div", { class: "head" }, el("h1", {}, t("ops"))), el("div", { class: "notice info" }, t("opsText")),
    el("div", { class: "panel" }, el("h2", {}, t("nameServers")), plain([t("address"), t("state")], overview.nameServers.map((one) => [el("span", { class: "mono" }, one.addr), one.reachable ? el("span", { class: "tag ok" }, t("up")) : [el("span", { class: "tag error" }, t("down")), " ", one.error]]), ["", "wrap"]), el("p"),
      el("div", { class: "form" }, field(t("nameServerLists"), list), may("admin") && field(t("otherList"), other), may("admin") && el("button", { class: "primary", "data-action": "nameservers", onclick: update }, t("update")))),
    el("div", { class: "panel" }, el("h2", {}, t("connections")), el("div", { class: "fields" }, toggle(t("useVip"), "useVIPChannel", page.useVIPChannel, "ops/updateIsVIPChannel.do"), toggle(t("useTls"), "useTLS", page.useTLS, "ops/updateUseTLS.do"))));
  return {};
}
