// Lines over time, with a cursor and zoom by dragging; bars; sparklines.
import { el, fill, num, rate, time } from "./dom.js";
import { t } from "./words.js";

const HEIGHT = 210;
const LEFT = 54;
const BOTTOM = 22;
const TOP = 8;

function top(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value);
}

// `series`: [{name, points: [[millis, value]..]}]; `onzoom(from, to)` or null for none.
export function lines(series, from, to, onzoom) {
  const box = el("div");
  const draw = () => {
    const width = Math.max(260, box.clientWidth || 600);
    const max = top(Math.max(0, ...series.flatMap(({ points }) => points.map(([, value]) => value ?? 0))));
    const x = (ms) => LEFT + ((ms - from) / (to - from)) * (width - LEFT - 8);
    const y = (value) => TOP + (1 - value / max) * (HEIGHT - TOP - BOTTOM);
    const back = (px) => from + ((px - LEFT) / (width - LEFT - 8)) * (to - from);
    const svg = el("svg", { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT, role: "img", "aria-label": series.map(({ name }) => name).join(", ") });
    for (const part of [0, 0.5, 1]) {
      const at = y(max * part);
      svg.append(el("line", { class: "axis", x1: LEFT, x2: width - 8, y1: at, y2: at }), el("text", { x: LEFT - 7, y: at + 4, "text-anchor": "end" }, rate(max * part)));
    }
    const steps = Math.max(2, Math.floor(width / 150));
    for (let step = 0; step <= steps; step++) {
      const at = from + ((to - from) * step) / steps;
      const label = to - from > 2 * 86400000 ? time(at).slice(5, 10) : time(at).slice(11, 16);
      svg.append(el("text", { x: Math.min(x(at), width - 20), y: HEIGHT - 5, "text-anchor": step ? "middle" : "start" }, label));
    }
    const gap = Math.max(180000, ((to - from) / 300) * 3);
    series.forEach(({ points }, at) => {
      let path = "";
      let last = null;
      for (const [ms, value] of points) {
        if (value === null || value === undefined) { last = null; continue; }
        path += `${last !== null && ms - last <= gap ? "L" : "M"}${x(ms).toFixed(1)} ${y(value).toFixed(1)}`;
        if (points.length === 1) path += "h3";
        last = ms;
      }
      svg.append(el("path", { class: `s${at}`, d: path }));
    });
    const cursor = el("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    const pick = el("rect", { class: "pick", y: TOP, height: HEIGHT - TOP - BOTTOM, visibility: "hidden" });
    svg.append(pick, cursor);
    let begun = null;
    const where = (event) => Math.min(width - 8, Math.max(LEFT, ((event.clientX - svg.getBoundingClientRect().left) / svg.getBoundingClientRect().width) * width));
    svg.addEventListener("pointermove", (event) => {
      const px = where(event);
      cursor.setAttribute("x1", px); cursor.setAttribute("x2", px); cursor.setAttribute("visibility", "visible");
      const at = back(px);
      fill(legend, time(at), series.map(({ name, points }, index) => {
        const near = points.reduce((best, point) => (!best || Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best), null);
        return el("span", {}, el("i", { class: `s${index}` }), name, " ", near ? rate(near[1]) : "–");
      }));
      if (begun !== null) {
        pick.setAttribute("x", Math.min(begun, px)); pick.setAttribute("width", Math.abs(px - begun)); pick.setAttribute("visibility", "visible");
      }
    });
    svg.addEventListener("pointerleave", () => { cursor.setAttribute("visibility", "hidden"); names(); });
    svg.addEventListener("pointerdown", (event) => { if (onzoom) { begun = where(event); svg.setPointerCapture(event.pointerId); } });
    svg.addEventListener("pointerup", (event) => {
      const [a, b] = [begun, where(event)];
      begun = null;
      pick.setAttribute("visibility", "hidden");
      if (a !== null && Math.abs(a - b) > 6) onzoom(Math.round(back(Math.min(a, b))), Math.round(back(Math.max(a, b))));
    });
    const legend = el("div", { class: "legend" });
    const names = () => fill(legend, series.map(({ name }, index) => el("span", {}, el("i", { class: `s${index}` }), name)),
      !series.some(({ points }) => points.length) && t("noHistory"));
    names();
    fill(box, svg, legend);
  };
  requestAnimationFrame(draw);
  new ResizeObserver(() => { if (box.isConnected && box.firstChild && Math.abs(box.clientWidth - box.firstChild.viewBox.baseVal.width) > 40) draw(); }).observe(box);
  return box;
}

export function bars(rows) {
  const max = Math.max(1, ...rows.map(([, value]) => value));
  if (!rows.length) return el("div", { class: "muted" }, t("nothing"));
  return el("div", { class: "bars" }, rows.map(([label, value, href]) => {
    const inner = el("i");
    inner.style.width = `${(value / max) * 100}%`;
    return [href ? el("a", { class: "label", href, title: label }, label) : el("span", { class: "label", title: label }, label), el("span", { class: "bar" }, inner), el("span", { class: "num" }, num(value))];
  }));
}

export function spark(values) {
  if (!values || values.length < 2) return "";
  const [width, height] = [64, 18];
  const max = Math.max(1, ...values);
  const path = values.map((value, at) => `${at ? "L" : "M"}${((at / (values.length - 1)) * width).toFixed(1)} ${(height - 1 - (value / max) * (height - 2)).toFixed(1)}`).join("");
  return el("svg", { class: "spark", width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" }, el("path", { d: path }));
}
