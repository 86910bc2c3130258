// Making elements. Text is always text: nothing of a message or a name is ever read as HTML.
import { t, told } from "./words.js";

export function el(tag, attributes, ...children) {
  const svg = ["svg", "path", "line", "rect", "text", "g", "circle"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else if (name === "checked") node.checked = true;
    else node.setAttribute(name, value === true ? "" : value);
  }
  add(node, children);
  return node;
}

function add(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
}

export function fill(node, ...children) {
  node.replaceChildren();
  add(node, children);
  return node;
}

const NONE = "–";

export function num(value, digits = 0) {
  if (value === null || value === undefined || Number.isNaN(value)) return NONE;
  return Number(value).toLocaleString(document.documentElement.lang, { maximumFractionDigits: digits, minimumFractionDigits: 0 });
}

export function rate(value) {
  return value === null || value === undefined ? NONE : num(value, value < 10 ? 2 : value < 100 ? 1 : 0);
}

// A value that may be unknown; the reason is told on pointing at it.
export function known(value, reason, format = num) {
  return value === null || value === undefined ? el("span", { class: "muted", title: told(reason) || t("unknown") }, NONE) : format(value);
}

export function time(ms) {
  if (!ms || ms <= 0) return NONE;
  const at = new Date(ms);
  const two = (n, width = 2) => String(n).padStart(width, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

export function millis(ms) {
  return !ms || ms <= 0 ? NONE : `${time(ms)}.${String(ms % 1000).padStart(3, "0")}`;
}

export function span(ms) {
  if (ms === null || ms === undefined) return NONE;
  const units = [[86400000, "d"], [3600000, "h"], [60000, "min"], [1000, "s"]];
  for (const [size, name] of units) if (ms >= size) return `${num(ms / size, ms < 10 * size ? 1 : 0)} ${name}`;
  return `${num(ms)} ms`;
}

export function forInput(ms) {
  return ms ? time(ms).replace(" ", "T") : "";
}

export function fromInput(text) {
  return text ? new Date(text).getTime() : null;
}

export function toast(kind, text, fix) {
  let place = document.querySelector(".toasts");
  if (!place) document.body.append((place = el("div", { class: "toasts", role: "status", "aria-live": "polite" })));
  const host = document.querySelector("dialog[open]") || document.body;
  if (place.parentNode !== host) host.append(place);
  const node = el("div", { class: "toast", "data-toast": kind }, text, fix && el("div", { class: "fix" }, fix));
  place.append(node);
  setTimeout(() => node.remove(), kind === "ok" ? 5000 : 12000);
}

export function failed(error) {
  toast("error", error.message, error.fix);
}

// Does something that may fail and tells how it went.
export async function attempt(work, done) {
  try {
    const result = await work();
    if (done) toast("ok", typeof done === "function" ? done(result) : done);
    return { ok: true, result };
  } catch (error) {
    failed(error);
    return { ok: false };
  }
}

export function notice(error) {
  return el("div", { class: "notice", role: "alert" }, error.message, error.fix && el("div", { class: "fix" }, error.fix));
}

export function menu(button, entries) {
  document.querySelector(".menu")?.remove();
  const box = el("div", { class: "menu", role: "menu" },
    entries.filter(Boolean).map(([action, label, run, danger]) => el("button", {
      "data-action": action, role: "menuitem", class: danger && "danger", onclick: () => { close(); run(); },
    }, label)));
  const close = () => { box.remove(); removeEventListener("mousedown", outside, true); removeEventListener("keydown", key, true); };
  const outside = (event) => { if (!box.contains(event.target)) close(); };
  const key = (event) => {
    if (event.key === "Escape") { event.stopPropagation(); close(); button.focus(); }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const all = [...box.children];
      const at = all.indexOf(document.activeElement) + (event.key === "ArrowDown" ? 1 : -1);
      all[(at + all.length) % all.length].focus();
    }
  };
  document.body.append(box);
  const from = button.getBoundingClientRect();
  const top = from.bottom + box.offsetHeight > innerHeight - 8 ? Math.max(8, from.top - box.offsetHeight) : from.bottom;
  box.style.top = `${top}px`;
  box.style.left = `${Math.max(8, Math.min(from.right - box.offsetWidth, innerWidth - box.offsetWidth - 8))}px`;
  addEventListener("mousedown", outside, true);
  addEventListener("keydown", key, true);
  box.firstElementChild?.focus();
}

export function menuButton(entries) {
  return el("button", { class: "icon", "data-action": "menu", title: t("actions"), "aria-haspopup": "menu", onclick: (event) => { event.stopPropagation(); menu(event.currentTarget, entries()); } }, "⋯");
}

// A dialog; `build(body, foot, close)` fills it. Closing it takes it out of the address again.
export function dialog(name, title, build, { narrow, onclose } = {}) {
  const body = el("div", { class: "dbody" });
  const foot = el("div", { class: "dfoot" });
  const close = () => box.close();
  const box = el("dialog", { "data-dialog": name, class: narrow && "narrow" },
    el("div", { class: "dhead" }, el("h2", { tabindex: "-1", autofocus: true }, title), el("button", { class: "icon", "data-action": "close", title: t("close"), onclick: close }, "✕")), body, foot);
  box.addEventListener("close", () => {
    const toasts = box.querySelector(".toasts");
    if (toasts) document.body.append(toasts);
    box.remove();
    if (!box.dataset.leaving) onclose?.();
  });
  document.body.append(box);
  box.showModal();
  Promise.resolve(build(body, foot, close)).then(() => { if (!foot.childNodes.length) foot.remove(); box.setAttribute("data-ready", "true"); }).catch((error) => { foot.remove(); fill(body, notice(error)); box.setAttribute("data-ready", "true"); });
  return box;
}

export function field(label, input) {
  return el("label", {}, label, input);
}

export function check(label, name, on) {
  return el("label", { class: "check" }, el("input", { type: "checkbox", name, checked: on }), label);
}

export function values(form) {
  const found = {};
  for (const input of form.querySelectorAll("[name]")) found[input.name] = input.type === "checkbox" ? input.checked : input.value;
  return found;
}

// Asks for a name to be typed before something is deleted; also for what is chosen in `more`, until `ready`.
export function confirmByName(name, title, text, act, { more, ready = () => true } = {}) {
  dialog("confirm", title, (body, foot, close) => {
    const typed = el("input", { name: "confirm", autocomplete: "off", spellcheck: "false", class: "mono" });
    const go = el("button", { class: "danger primary", "data-submit": true, disabled: true, onclick: async () => { if ((await attempt(act, t("done"))).ok) close(); } }, title);
    const look = () => { go.disabled = typed.value !== name || !ready(); };
    typed.addEventListener("input", look);
    more?.addEventListener("change", look);
    fill(body, el("div", { class: "fields" }, el("p", {}, text), more, field(t("typeToConfirm", name), typed)));
    fill(foot, el("button", { onclick: close }, t("cancel")), go);
    typed.focus();
  }, { narrow: true });
}

export function pairs(entries) {
  return el("dl", { class: "pairs" }, entries.filter(Boolean).map(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

export function tabs(all, chosen, choose) {
  return el("div", { class: "tabs", role: "tablist" }, all.map(([key, label]) =>
    el("button", { role: "tab", "data-tab": key, "aria-selected": String(key === chosen), onclick: () => choose(key) }, label)));
}
