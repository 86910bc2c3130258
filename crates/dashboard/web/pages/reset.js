// Setting a group's progress: shows what will happen, queue by queue, before it does it.
import { attempt, dialog, el, field, fill, forInput, fromInput, num } from "../dom.js";
import { get, post } from "../net.js";
import { plain } from "../table.js";
import { t } from "../words.js";

export function resetDialog({ topic, group, skip, onclose, done }) {
  const title = `${skip ? t("skipAccumulate") : t("resetOffset")} · ${group || topic}`;
  dialog(skip ? "skip" : "reset", title, async (body, foot, close) => {
    const [topics, groups] = await Promise.all([get("topics"), get("groups")]);
    const choices = group
      ? (groups.groups.find((one) => one.name === group)?.topics || [])
      : (topics.topics.find((one) => one.name === topic)?.groups || []);
    const choice = el("select", { name: group ? "topic" : "group", onchange: preview }, choices.map((one) => el("option", { value: one }, one)));
    const to = el("select", { name: "to", onchange: preview }, el("option", { value: "time" }, t("toTime")), el("option", { value: "-2" }, t("toBegin")), el("option", { value: "-1" }, t("toEnd")));
    const at = el("input", { name: "time", type: "datetime-local", step: "1", value: forInput(Date.now() - 3600000), onchange: preview });
    const place = el("div");
    const act = el("button", { class: "danger primary", "data-submit": true, disabled: true, onclick: async () => {
      const asked = question();
      const reset = await attempt(() => post(`groups/${encodeURIComponent(asked.group)}/reset`, { topic: asked.topic, time: asked.time, force: true }), t("done"));
      if (reset.ok) { done?.(); close(); }
    } }, skip ? t("skipAccumulate") : t("resetOffset"));
    const question = () => ({
      group: group || choice.value, topic: group ? choice.value : topic,
      time: skip ? -1 : to.value === "time" ? fromInput(at.value) : Number(to.value),
    });
    async function preview() {
      at.disabled = to.value !== "time";
      act.disabled = true;
      const asked = question();
      if (!asked.group || !asked.topic || asked.time === null) return fill(place, el("div", { class: "empty" }, t("noConsumers")));
      const plan = await get(`groups/${encodeURIComponent(asked.group)}/reset-preview`, { topic: asked.topic, time: asked.time }).catch((error) => ({ error }));
      if (plan.error) return fill(place, el("div", { class: "notice" }, plan.error.message));
      fill(place, el("p", { "data-preview": true }, t("willRepeat", num(plan.repeats), num(plan.skips)), " ", plan.online ? t("membersAreTold") : t("offlineReset")),
        plain([t("broker"), t("queue"), t("from"), t("to"), t("repeats"), t("skips")], plan.queues.map((one) => [one.broker, one.queueId, num(one.from), num(one.to), num(one.repeats), num(one.skips)]), ["", "num", "num", "num", "num", "num"]));
      act.disabled = false;
    }
    fill(body, el("div", { class: "form" }, field(group ? t("topic") : t("group"), choice), !skip && field(t("goOnAt"), to), !skip && field(t("time"), at)), el("p"), place);
    fill(foot, el("button", { onclick: close }, t("cancel")), act);
    await preview();
  }, { onclose });
}
