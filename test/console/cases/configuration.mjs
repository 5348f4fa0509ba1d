// SPDX-License-Identifier: Apache-2.0
// The live configuration: changed, refused, returned to, and what the nodes make of it.
import assert from "node:assert/strict";
import { equalSoon, soon } from "../soon.mjs";

const NEEDS = ["/api/v1/configuration"];
const EMPTY = { defaults: {}, overrides: [] };
const document = (value) => ({ defaults: { netdev_events: { report_present: value } }, overrides: [] });

async function present(browser) {
  const unit = (await browser.get("/api/v1/nodes/worker-1")).units.find((one) => one.unit === "netdev_events");
  return unit.parameters.find((one) => one.name === "report_present").value;
}

async function versions(browser) {
  const page = await browser.open("/configuration");
  const first = (await browser.get("/api/v1/configuration")).version;
  const began = first + 1;
  const put = async (wanted, comment) => {
    await page.getByLabel("document").fill(JSON.stringify(wanted));
    await page.getByLabel("comment").fill(comment);
    await page.getByRole("button", { name: "put in force" }).click();
  };
  const inForce = (version) => page.locator(".head .tag", { hasText: `version ${version}` }).waitFor();
  await inForce(first);
  // What a node was changed to by itself ends with a new version.
  await put(EMPTY, "as it was");
  await inForce(began);
  await soon(async () => (await browser.get("/api/v1/nodes/worker-1")).configuration.version === began, "the node has taken it");
  const before = await present(browser);
  await put(document(7), "too much");
  await page.getByRole("alert").getByText("defaults.netdev_events.report_present: an integer from 0 to 1").waitFor();
  await put(document(1 - before), "the other way");
  await inForce(began + 1);
  await equalSoon(() => present(browser), async () => 1 - before, "the parameter on the node");
  await put(EMPTY, "as it was");
  await inForce(began + 2);
  await equalSoon(() => present(browser), async () => before, "the parameter as it was");
  await page.getByRole("button", { name: `back to ${began + 1}`, exact: true }).click();
  await inForce(began + 3);
  await equalSoon(() => present(browser), async () => 1 - before, "the parameter after the way back");
  const told = async () => (await browser.get("/api/v1/configuration/versions")).items.map((one) => [String(one.version), one.comment]);
  const shown = () => page.locator("section", { hasText: "the last 100" }).locator("tbody tr").evaluateAll((rows) =>
    rows.map((row) => [row.cells[0].textContent, row.cells[2].textContent]));
  await equalSoon(shown, told, "versions");
  await put(EMPTY, "as it was");
  await inForce(began + 4);
}

async function reception(browser) {
  const page = await browser.open("/configuration");
  const told = async () => {
    const nodes = (await browser.get("/api/v1/nodes")).items.map((node) => node.configuration.state);
    const of = (state) => nodes.filter((one) => one === state).length;
    return `${of("applied")} applied, ${of("refused")} refused, ${of("pending")} pending`;
  };
  const shown = () => page.locator("section", { hasText: "What the nodes make of it" }).locator("header .dim").textContent();
  await equalSoon(shown, told, "counts of nodes");
  assert.ok((await told()).match(/^[1-9]/), "some node has taken it");
}

export const CASES = [
  { name: "configuration: versions, refusals and the way back", run: versions, expected: /status of 422/, needs: NEEDS },
  { name: "configuration: what the nodes make of it", run: reception, needs: NEEDS },
];
