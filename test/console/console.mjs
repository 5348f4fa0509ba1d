// SPDX-License-Identifier: Apache-2.0
// Runs the cases one after the other in one browser; a case fails when an assertion does, when the
// page reports an error that the case does not expect, or when it asks another host. One that failed
// is run once more; when it passes then, it is unstable, which more than one must not be.
import { Browser } from "./browser.mjs";
import { CASES as configuration } from "./cases/configuration.mjs";
import { CASES as events } from "./cases/events.mjs";
import { CASES as nodes } from "./cases/nodes.mjs";
import { CASES as overview } from "./cases/overview.mjs";
import { CASES as shell } from "./cases/shell.mjs";
import { CASES as states } from "./cases/states.mjs";
import { CASES as tasks } from "./cases/tasks.mjs";
import { pictures } from "./pictures.mjs";

const facts = JSON.parse(process.argv[2]);
const CASES = [...shell, ...overview, ...events, ...nodes, ...configuration, ...tasks, ...states];

async function outcome(browser, one) {
  browser.complaints = [];
  browser.foreign = [];
  const notes = [];
  try {
    await one.run(browser, (text) => notes.push(text));
  } catch (error) {
    return { failed: String(error.stack ?? error).slice(0, 2000), notes };
  }
  const complaints = browser.complaints.filter((text) => !(one.expected ?? /^$/).test(text));
  if (complaints.length > 0) return { failed: `the page complains: ${complaints.join("\n")}`, notes };
  if (browser.foreign.length > 0) return { failed: `asked other hosts: ${browser.foreign.join(" ")}`, notes };
  return { failed: null, notes };
}

const browser = new Browser(facts);
await browser.start();
const served = Object.keys((await browser.get("/api/v1/openapi.json")).paths);
browser.served = new Set(served);
let passed = 0;
let failed = 0;
let skipped = 0;
let unstable = 0;
for (const one of CASES.filter((c) => c.name.includes(facts.case))) {
  const missing = (one.needs ?? []).filter((path) => !browser.served.has(path));
  if (missing.length > 0) {
    ++skipped;
    console.log(`skipped  ${one.name}: this apiserver does not serve ${missing.join(" ")}`);
    continue;
  }
  const begin = Date.now();
  const first = await outcome(browser, one);
  const result = first.failed ? await outcome(browser, one) : first;
  if (result.failed) ++failed;
  else ++passed;
  if (first.failed && !result.failed) ++unstable;
  const word = result.failed ? "FAILED" : first.failed ? "unstable" : "ok";
  console.log(`${word.padEnd(8)} ${one.name} (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
  for (const line of [...result.notes, ...(first.failed ? first.failed.split("\n") : [])]) console.log(`    ${line}`);
  if (result.failed && facts.images) await browser.page.screenshot({ path: `${facts.images}/failed-${failed}.png` }).catch(() => {});
}
if (facts.images && failed === 0) await pictures(browser);
await browser.stop();
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed > 0 || unstable > 1 ? 1 : 0);
