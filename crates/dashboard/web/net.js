// Requests. Paths are relative to the page, so that any context path works.
import { told } from "./words.js";

class RequestError extends Error {
  constructor(message, fix, status) {
    super(told(message));
    this.fix = told(fix);
    this.status = status;
  }
}

export let onLoginNeeded = () => {};
export function whenLoginNeeded(call) { onLoginNeeded = call; }

function token() {
  const found = document.cookie.split("; ").find((pair) => pair.startsWith("XSRF-TOKEN="));
  return found ? found.slice("XSRF-TOKEN=".length) : "";
}

export function query(parameters) {
  const given = Object.entries(parameters || {}).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

async function send(path, options) {
  let reply;
  try {
    reply = await fetch(path, { credentials: "same-origin", redirect: "manual", ...options });
  } catch {
    throw new RequestError("The dashboard does not answer", "Check that its process runs; this page goes on by itself when it is back.", 0);
  }
  if (reply.type === "opaqueredirect" || reply.status === 401) {
    onLoginNeeded();
    throw new RequestError("Log in first", null, 401);
  }
  const text = await reply.text();
  let answer = null;
  try { answer = text ? JSON.parse(text) : null; } catch { answer = text; }
  return { reply, answer };
}

// Our own API.
export async function get(path, parameters) {
  const { reply, answer } = await send(`api/v1/${path}${query(parameters)}`);
  if (!reply.ok) throw new RequestError(answer?.error?.message || reply.statusText, answer?.error?.fix, reply.status);
  return answer;
}

export async function post(path, body) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": token() };
  const { reply, answer } = await send(`api/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  if (!reply.ok) throw new RequestError(answer?.error?.message || reply.statusText, answer?.error?.fix, reply.status);
  return answer;
}

// The paths of 1.0.0.
function data({ answer }) {
  if (answer && answer.status === 0) return answer.data;
  if (answer === null || answer === "") return null;
  throw new RequestError(answer.errMsg?.replace(/^org\.apache\.[\w.]+: /, "") || answer.error?.message || "no answer", answer.fix || answer.error?.fix, answer.status);
}

export async function classic(path, parameters) {
  return data(await send(`${path}${query(parameters)}`));
}

export async function classicPost(path, body, parameters) {
  const headers = { "X-CSRF-Token": token() };
  if (body !== undefined && body !== null) headers["Content-Type"] = "application/json";
  return data(await send(`${path}${query(parameters)}`, { method: "POST", headers, body: body === undefined || body === null ? "" : JSON.stringify(body) }));
}
