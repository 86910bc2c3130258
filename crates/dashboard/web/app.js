// The frame: navigation, address, language, theme, keyboard, and looking again.
import { attempt, el, fill, notice } from "./dom.js";
import { classicPost, get, post, whenLoginNeeded } from "./net.js";
import { language, setLanguage, t } from "./words.js";
import * as acl from "./pages/acl.js";
import * as audit from "./pages/audit.js";
import * as cluster from "./pages/cluster.js";
import * as dlq from "./pages/dlq.js";
import * as groups from "./pages/groups.js";
import * as history from "./pages/history.js";
import * as login from "./pages/login.js";
import * as messages from "./pages/messages.js";
import * as ops from "./pages/ops.js";
import * as overview from "./pages/overview.js";
import * as producers from "./pages/producers.js";
import * as topics from "./pages/topics.js";
import * as trace from "./pages/trace.js";

// Address, page, key that leads there after `g`.
const PAGES = [
  ["", "overview", overview, "o"], ["cluster", "cluster", cluster, "c"], ["topics", "topics", topics, "t"],
  ["groups", "groups", groups, "g"], ["producers", "producers", producers, "p"], ["messages", "messages", messages, "m"],
  ["trace", "trace", trace, "r"], ["dlq", "dlq", dlq, "d"], ["history", "history", history, "h"],
  ["acl", "acl", acl, "a"], ["ops", "ops", ops, "s"], ["audit", "audit", audit, "u"],
];

export const app = { session: null, page: null, params: {}, main: null };

// Whether the user may do what an operator, or an administrator, may.
export function may(role) {
  const have = app.session?.role;
  return have === "admin" || (role === "operate" && have === "operate");
}

function address() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  return { path, params: Object.fromEntries(new URLSearchParams(query || "")) };
}

export function link(path, params) {
  const given = Object.entries(params || {}).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return `#/${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
}

export function go(path, params) {
  location.hash = link(path, params);
}

// Changes what the address says of this page, without drawing it again.
export function keep(changes) {
  app.params = { ...app.params, ...changes };
  for (const key of Object.keys(app.params)) if (app.params[key] === null || app.params[key] === "" || app.params[key] === undefined) delete app.params[key];
  window.history.replaceState(null, "", link(address().path, app.params));
}

// Opens a dialog of the page by way of the address.
export function open(name, subject) {
  keep({ dialog: name, name: subject });
  openDialog();
}

function openDialog() {
  const { dialog, name } = app.params;
  if (dialog) app.page?.dialogs?.[dialog]?.(name, () => keep({ dialog: null, name: null }));
}

let drawing = 0;
async function draw() {
  const { path, params } = address();
  app.params = params;
  // The address has moved on: what closes now must not change it.
  document.querySelectorAll("dialog[open]").forEach((box) => { box.dataset.leaving = "true"; box.close(); });
  if (path === "login") {
    app.page = null;
    document.title = t("login");
    return login.draw(document.getElementById("app"), params, start);
  }
  const [, name, page] = PAGES.find(([known]) => known === path) || PAGES[0];
  if (!app.main?.isConnected) frame();
  for (const a of document.querySelectorAll(".side nav a")) {
    if (a.dataset.page === name) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
  }
  document.querySelector(".side")?.classList.remove("open");
  document.title = `${t(name)} · RocketMQ`;
  const turn = ++drawing;
  const main = el("main", { "data-page": name, tabindex: "-1" });
  app.main.replaceWith(main);
  app.main = main;
  app.page = null;
  try {
    const made = await page.draw(main, params);
    if (turn !== drawing) return;
    app.page = made || {};
    main.setAttribute("data-ready", "true");
    openDialog();
  } catch (error) {
    if (turn !== drawing || error.status === 401) return;
    fill(main, el("div", { class: "head" }, el("h1", {}, t(name))), notice(error));
    main.setAttribute("data-ready", "true");
  }
}

function frame() {
  const session = app.session;
  const theme = el("button", { class: "icon", "data-action": "theme", title: t("theme"), onclick: () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark") }, "◐");
  const lang = el("select", { name: "lang", "aria-label": "Language", onchange: () => { setLanguage(lang.value); app.main = null; draw(); } },
    el("option", { value: "en" }, "English"), el("option", { value: "zh" }, "简体中文"));
  lang.value = language();
  const clusters = session.clusters.length > 1 && el("select", { name: "cluster", "aria-label": t("cluster"), onchange: async (event) => {
    const nameServers = event.target.value;
    if ((await attempt(() => post("cluster", { nameServers }))).ok) { session.cluster = nameServers; draw(); }
  } }, session.clusters.map((list) => el("option", { value: list }, list)));
  if (clusters) clusters.value = session.cluster;
  const logout = session.loginRequired && el("button", { class: "icon", "data-action": "logout", onclick: async () => { await classicPost("login/logout.do"); location.hash = "#/login"; } }, t("logout"));
  const side = el("div", { class: "side" },
    el("div", { class: "bar" },
      el("a", { class: "brand", href: "#/" }, el("img", { src: "web/icon.svg", alt: "" }), "RocketMQ"),
      el("button", { class: "icon burger", "data-action": "burger", "aria-label": t("menu"), onclick: () => side.classList.toggle("open") }, "☰")),
    el("nav", { "aria-label": t("pages") }, PAGES.filter(([, name]) => !["acl", "audit"].includes(name) || may("admin"))
      .map(([path, name]) => el("a", { href: `#/${path}`, "data-page": name }, t(name)))),
    el("div", { class: "foot" }, clusters || el("span", { class: "mono", title: t("nameServers") }, session.cluster),
      el("div", { class: "line" }, lang, theme),
      session.loginRequired && el("div", { class: "line" }, el("span", {}, session.user), logout),
      el("div", { class: "line" }, el("span", {}, session.version), el("button", { class: "icon", "data-action": "keys", title: t("keys"), onclick: keys }, "?"))));
  app.main = el("main");
  fill(document.getElementById("app"), el("div", { class: "shell" }, side, app.main));
}

function keys() {
  import("./dom.js").then(({ dialog, fill }) => dialog("keys", t("keys"), (body) => fill(body, el("dl", { class: "pairs" },
    [el("dt", {}, el("kbd", {}, "/")), el("dd", {}, t("focusSearch"))], [el("dt", {}, el("kbd", {}, "?")), el("dd", {}, t("keys"))],
    PAGES.map(([, name, , key]) => [el("dt", {}, el("kbd", {}, "g"), " ", el("kbd", {}, key)), el("dd", {}, t(name))]))), { narrow: true }));
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("theme", theme);
}

let after = null;
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea") || document.querySelector("dialog[open]")) return;
  if (event.key === "/") {
    const search = app.main?.querySelector("input[type=search], input");
    if (search) { event.preventDefault(); search.focus(); }
  } else if (event.key === "?") keys();
  else if (after === "g") {
    const page = PAGES.find(([, , , key]) => key === event.key);
    after = null;
    if (page) location.hash = `#/${page[0]}`;
  } else if (event.key === "g") { after = "g"; setTimeout(() => { after = null; }, 1200); }
});

// Asks again and again: a stream for each tab would use up the few connections that a browser has for one host.
const AGAIN_MS = 5000;
function listen() {
  setTimeout(async () => {
    if (!document.hidden && !document.querySelector(".menu")) await app.page?.refresh?.().catch(() => {});
    listen();
  }, AGAIN_MS);
}

async function start() {
  try {
    app.session = await get("session");
  } catch (error) {
    fill(document.getElementById("app"), el("main", {}, notice(error)));
    setTimeout(start, 3000);
    return;
  }
  app.main = null;
  if (app.session.loginRequired && !app.session.user) {
    if (!location.hash.startsWith("#/login")) location.hash = link("login", { redirect: location.hash });
    else draw();
    return;
  }
  if (location.hash.startsWith("#/login")) location.hash = app.params.redirect?.startsWith("#/") ? app.params.redirect : "#/";
  else draw();
}

whenLoginNeeded(() => {
  if (!location.hash.startsWith("#/login")) location.hash = link("login", { redirect: location.hash });
});
addEventListener("hashchange", draw);
setTheme(localStorage.getItem("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
setLanguage(language());
listen();
start();
