// Logging in.
import { attempt, el, field, fill } from "../dom.js";
import { get } from "../net.js";
import { language, setLanguage, t, told } from "../words.js";

export async function draw(root, params, start) {
  const session = await get("session").catch(() => ({}));
  const user = el("input", { name: "username", autocomplete: "username", required: true });
  const password = el("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const lang = el("select", { name: "lang", "aria-label": "Language", onchange: () => { setLanguage(lang.value); draw(root, params, start); } },
    el("option", { value: "en" }, "English"), el("option", { value: "zh" }, "简体中文"));
  lang.value = language();
  const form = el("form", { class: "panel", onsubmit: async (event) => {
    event.preventDefault();
    const entered = { username: user.value, password: password.value };
    const body = () => login(entered);
    if ((await attempt(body)).ok) start();
  } },
    el("div", { class: "brand" }, el("img", { src: "web/icon.svg", alt: "" }), el("h1", {}, "RocketMQ"), el("span", { class: "grow" }), lang), el("p", { class: "muted" }, t("loginText")),
    session.firstStart && el("div", { class: "notice info" }, t("firstStart")),
    el("div", { class: "fields" }, field(t("user"), user), field(t("password"), password), el("button", { class: "primary", "data-submit": true }, t("login"))));
  document.title = t("login");
  fill(root, el("main", { class: "login", "data-page": "login", "data-ready": "true" }, form));
  user.focus();
}

// As a form, so that the password stands in no address and no log of one.
async function login({ username, password }) {
  const reply = await fetch("login/login.do", { method: "POST", body: new URLSearchParams({ username, password }) });
  const answer = await reply.json();
  if (answer.status !== 0) throw new Error(told(answer.errMsg));
  return answer.data;
}
