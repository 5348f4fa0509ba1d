// SPDX-License-Identifier: Apache-2.0
// Units, mechanisms, cost and losses as the API tells them, and a parameter that is changed.
import assert from "node:assert/strict";
import { equalSoon, soon } from "../soon.mjs";

const MARKS = { running: "●", unavailable: "▲", shed: "◐", off: "○", unknown: "?" };

async function matrix(browser) {
  const page = await browser.open("/nodes");
  await page.locator("table.matrix tbody tr").first().waitFor();
  const shown = async () => {
    const units = await page.locator("table.matrix th.unit").allTextContents();
    const rows = await page.locator("table.matrix tbody tr").evaluateAll((all) =>
      all.map((row) => [row.querySelector("a").textContent, [...row.querySelectorAll("td.unit")].map((cell) => cell.textContent[0])]));
    return rows.map(([name, marks]) => [name, Object.fromEntries(marks.map((mark, i) => [units[i], mark]))]);
  };
  const told = async () => (await browser.get("/api/v1/nodes")).items.map((node) => [node.node,
    Object.fromEntries(node.units.filter((u) => u.instance === "always").sort((a, b) => (a.unit < b.unit ? -1 : 1)).map((u) => [u.unit, MARKS[u.state]]))]);
  await equalSoon(shown, told, "states of the units");
  for (const node of (await browser.get("/api/v1/nodes")).items) {
    for (const unit of node.units.filter((u) => u.reason)) await page.getByText(unit.reason).first().waitFor();
  }
  await page.getByLabel("find a node").fill("worker-2");
  await soon(async () => (await page.locator("table.matrix tbody tr").count()) === 1, "one node is found");
}

async function one(browser) {
  const page = await browser.open("/nodes/worker-1");
  await page.locator("h2", { hasText: "Units" }).waitFor();
  const node = await browser.get("/api/v1/nodes/worker-1");
  for (const unit of node.units) {
    const row = page.locator("tr", { has: page.getByRole("cell", { name: unit.unit, exact: true }) }).first();
    const text = await row.textContent();
    assert.ok(text.includes(unit.state) && text.includes(unit.mechanism || "–"), text);
    assert.ok(text.includes(unit.lacks) && text.includes(unit.reason), text);
  }
  const programs = await page.locator("section", { hasText: "Cost of each BPF program" }).locator("tbody tr td:first-child").allTextContents();
  assert.deepEqual(programs.sort(), node.programs.map((program) => program.program).sort());
  const told = async () => (await browser.get("/api/v1/nodes/worker-1")).losses.filter((loss) => loss.count > 0)
    .sort((a, b) => b.count - a.count).map((loss) => `${loss.cause} ${loss.unit || "–"} ${loss.count}`);
  const shown = () => page.locator("section", { hasText: "Losses by cause" }).locator("tbody tr").evaluateAll((rows) =>
    rows.map((row) => [...row.cells].slice(0, 3).map((cell) => cell.textContent.replaceAll(",", "")).join(" ")));
  await equalSoon(shown, told, "losses");
}

async function parameter(browser) {
  const page = await browser.open("/nodes/worker-1");
  const value = async () => {
    const unit = (await browser.get("/api/v1/nodes/worker-1")).units.find((u) => u.unit === "netdev_events");
    return unit.parameters.find((p) => p.name === "report_present").value;
  };
  assert.equal(await value(), 0);
  const row = page.locator("tr", { has: page.getByRole("cell", { name: "netdev_events", exact: true }) }).first();
  const set = async (text) => {
    await row.getByRole("button", { name: /^[\d,]+$/ }).click();
    await row.locator("input[type=number]").fill(text);
    await row.getByRole("button", { name: "set" }).click();
  };
  await set("7");
  await row.getByText("accepted is an integer from 0 to 1").waitFor();
  await row.getByRole("button", { name: "cancel" }).click();
  await set("1");
  await soon(async () => (await value()) === 1, "the node has the new value");
  await row.getByText("changed").waitFor();
}

export const CASES = [
  { name: "nodes: units and states equal the API", run: matrix },
  { name: "nodes: one node equals the API", run: one },
  { name: "nodes: a parameter is changed, a bad one refused", run: parameter, expected: /status of 422/ },
];
