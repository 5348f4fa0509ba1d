// SPDX-License-Identifier: Apache-2.0
// A task from its form to its flame graph, and the profile that it left.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { equalSoon, soon } from "../soon.mjs";

const NEEDS = ["/api/v1/tasks", "/api/v1/profiles"];

async function form(browser) {
  const page = await browser.open("/tasks/new");
  await page.locator("#tool").waitFor();
  const tools = (await browser.get("/api/v1/units")).items.filter((unit) => unit.task);
  assert.deepEqual(await page.locator("#tool option").allTextContents(), tools.map((unit) => unit.name));
  for (const tool of tools) {
    await page.locator("#tool").selectOption(tool.name);
    for (const parameter of tool.parameters) assert.equal(await page.locator(`#${parameter.name}`).getAttribute("placeholder"), String(parameter.default));
    assert.equal(await page.locator("#filter").count(), tool.filter ? 1 : 0, `${tool.name} has a filter: ${tool.filter}`);
  }
}

async function refused(browser) {
  const page = await browser.open("/tasks/new?tool=cpu_profile&node=worker-1");
  await page.locator("#duration").fill("100000000");
  await page.getByRole("button", { name: "start", exact: true }).click();
  await page.locator(".field", { hasText: "duration" }).getByRole("alert").getByText("accepted").waitFor();
  await page.locator("#duration").fill("2");
  await page.getByRole("button", { name: "one container" }).click();
  await page.getByLabel("container").fill("000000000000");
  await page.getByRole("button", { name: "start", exact: true }).click();
  await page.locator(".field", { hasText: "target" }).getByRole("alert").waitFor();
}

// Starts it in the page; the id.
async function start(browser, query, seconds) {
  const page = await browser.open(`/tasks/new?${query}`);
  await page.locator("#duration").fill(String(seconds));
  await page.getByRole("button", { name: "start", exact: true }).click();
  await page.waitForURL((url) => /^\/tasks\/(?!new)/.test(url.pathname));
  return new URL(page.url()).pathname.split("/").at(-1);
}

async function file(page, format) {
  const arrival = page.waitForEvent("download");
  await page.locator(`button[data-format=${format}]`).click();
  return readFileSync(await (await arrival).path());
}

async function profile(browser, note) {
  const id = await start(browser, "tool=cpu_profile&node=worker-1", 3);
  const { page } = browser;
  const task = () => browser.get(`/api/v1/tasks/${id}`);
  await page.locator(".head .tag", { hasText: "running" }).waitFor();
  await page.locator(".head .tag", { hasText: "succeeded" }).waitFor({ timeout: 30_000 });
  assert.equal((await task()).state, "succeeded");
  await page.locator(".d3-flame-graph rect").first().waitFor();
  const graph = await browser.get(`/api/v1/tasks/${id}/result?format=flamegraph`);
  assert.ok(graph.total > 0 && graph.items.length > 3, JSON.stringify(graph).slice(0, 200));
  assert.equal(await page.locator(".d3-flame-graph g.frame").first().getAttribute("name"), graph.items[0].label);
  note(`${graph.items.length} frames, ${graph.total} ${graph.unit}`);
  const wanted = graph.items.reduce((a, b) => (b.level > 0 && b.self > a.self ? b : a), { self: 0 });
  await page.locator("input[name=frames]").fill(wanted.label);
  await page.getByText(/\d+ frames?, [\d.]+% of the total/).waitFor();
  const deep = page.locator(`.d3-flame-graph g.frame[name="${CSS(graph.items[1].label)}"]`).first();
  const before = (await deep.boundingBox()).width;
  await deep.click();
  await soon(async () => (await deep.boundingBox()).width >= before, "zoomed in");
  const pprof = await file(page, "pprof");
  assert.ok(gunzipSync(pprof).length > 100);
  const folded = (await file(page, "folded")).toString();
  assert.match(folded, /^.+ \d+\n/);
}

const CSS = (text) => text.replace(/["\\]/g, "\\$&");

// The reply to the request that cancels says that the task still runs; it comes after the stream
// has said that it ended, and must not bring it back.
async function cancelled(browser) {
  const id = await start(browser, "tool=cpu_profile&node=worker-1", 600);
  const { page } = browser;
  const tag = (state) => page.locator(".head .tag", { hasText: state });
  await tag("running").waitFor();
  const late = async (route) => {
    if (route.request().method() !== "DELETE") return route.continue();
    const reply = await route.fetch();
    await tag("cancelled").waitFor();
    await route.fulfill({ response: reply });
  };
  await page.route(`**/api/v1/tasks/${id}`, late);
  const replied = page.waitForResponse((reply) => reply.request().method() === "DELETE");
  await page.getByRole("button", { name: "cancel" }).click();
  assert.equal((await (await replied).json()).state, "running");
  await page.unroute(`**/api/v1/tasks/${id}`, late);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  assert.equal(await tag("cancelled").count(), 1);
  assert.equal((await browser.get(`/api/v1/tasks/${id}`)).state, "cancelled");
}

async function lists(browser) {
  const page = await browser.open("/tasks");
  await page.locator("main tbody tr").first().waitFor();
  const shown = (column) => page.locator("main tbody tr").evaluateAll((rows, i) => rows.map((row) => row.cells[i].textContent), column);
  await equalSoon(() => shown(1), async () => (await browser.get("/api/v1/tasks")).items.map((task) => task.state), "states of the tasks");
  await browser.open("/profiles");
  await page.locator("main tbody tr").first().waitFor();
  const profiles = (await browser.get("/api/v1/profiles?from=-1h")).items;
  assert.deepEqual(await shown(5), profiles.map((one) => one.samples.toLocaleString("en-US")));
  await page.locator("main tbody tr").first().click();
  await page.waitForURL(/\/profiles\/./);
  await page.locator(".d3-flame-graph rect").first().waitFor();
}

export const CASES = [
  { name: "tasks: the form is what the catalog says", run: form, needs: NEEDS },
  { name: "tasks: what is refused is said at its field", run: refused, needs: NEEDS, expected: /status of 422/ },
  { name: "tasks: a CPU profile from the form to the flame graph", run: profile, needs: NEEDS },
  { name: "tasks: cancelled", run: cancelled, needs: NEEDS },
  { name: "tasks: lists of tasks and profiles equal the API", run: lists, needs: NEEDS },
];
