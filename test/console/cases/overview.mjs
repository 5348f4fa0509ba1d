// SPDX-License-Identifier: Apache-2.0
// The numbers of the first page are those of the API.
import assert from "node:assert/strict";
import { equalSoon, soon } from "../soon.mjs";

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

// The same range for both sides: it ends before what still happens.
export function fixedRange() {
  const to = new Date(Date.now() - 1000);
  const from = new Date(to.getTime() - 3_600_000);
  return `from=${from.toISOString()}&to=${to.toISOString()}`;
}

async function countsOf(browser, query) {
  const counts = await browser.get(`/api/v1/events/counts?${query}&step_seconds=60`);
  const sums = {};
  for (const item of counts.items) {
    for (const [tracer, n] of Object.entries(item.counts)) sums[tracer] = (sums[tracer] ?? 0) + n;
  }
  return sums;
}

async function legend(page) {
  const links = await page.locator(".legend a").allTextContents();
  return Object.fromEntries(links.map((text) => {
    const [, name, count] = /^\s*(\S+)\s+([\d,]+)\s*$/.exec(text);
    return [name, Number(count.replaceAll(",", ""))];
  }));
}

async function chart(browser, note) {
  const query = fixedRange();
  const page = await browser.open(`/?${query}`);
  await page.locator(".legend a").first().waitFor();
  const expected = await countsOf(browser, query);
  assert.deepEqual(await legend(page), expected);
  assert.ok(expected.oom >= 10 && expected.netdev_events > 200 && expected.not_observed >= 1, JSON.stringify(expected));
  const listed = await browser.get(`/api/v1/events?${query}&tracer=oom&limit=1000`);
  assert.equal(listed.items.length, expected.oom, "counts agree with the list");
  note(JSON.stringify(expected));
  await page.locator(".legend a", { hasText: "oom" }).click();
  await page.waitForURL((url) => url.pathname === "/events" && url.searchParams.get("tracer") === "oom");
}

async function hover(browser) {
  const page = await browser.open("/?from=-15m");
  await page.locator(".legend a").first().waitFor();
  // It is nowhere while it is drawn anew, when its data come.
  const box = await soon(() => page.locator(".u-over").boundingBox(), "the chart has a place");
  await page.mouse.move(box.x + box.width / 2, box.y + 20);
  await page.locator(".hover", { hasText: /–/ }).waitFor();
  await page.mouse.move(box.x + 0.3 * box.width, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + 0.6 * box.width, box.y + 20, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/\/events\?/);
  const query = new URL(page.url()).searchParams;
  const length = (Date.parse(query.get("to")) - Date.parse(query.get("from"))) / 1000;
  assert.ok(length > 240 && length < 300, `a drag over 0.3 of 15 min chose ${length} s`);
}

async function tiles(browser) {
  const page = await browser.open("/");
  const value = (name) => page.locator(`[data-tile="${name}"] .value`).textContent();
  await page.locator("[data-tile]").first().waitFor();
  const nodes = (await browser.get("/api/v1/nodes")).items;
  assert.equal(nodes.length, 3);
  assert.equal(await value("nodes connected"), `${nodes.filter((n) => n.connected).length} of 3`);
  const units = nodes.flatMap((node) => node.units);
  assert.equal(await value("units running"), `${units.filter((u) => u.state === "running").length} of ${units.length}`);
  await equalSoon(async () => Number((await value("lost observations")).replaceAll(",", "")),
    async () => sum((await browser.get("/api/v1/nodes")).items.map((node) => node.lost)), "lost");
  await page.locator("tr", { hasText: "worker-2" }).getByText("connected").waitFor();
}

export const CASES = [
  { name: "overview: chart and legend equal the API", run: chart },
  { name: "overview: the chart answers to the pointer", run: hover },
  { name: "overview: tiles equal the API", run: tiles },
];
