// SPDX-License-Identifier: Apache-2.0
// Nothing there, no right to see it, nobody answers, no console: each says what to do.
import assert from "node:assert/strict";

async function empty(browser) {
  const { facts } = browser;
  const page = await browser.open("/", facts.empty);
  await page.getByText("No node has connected yet").waitFor();
  await page.getByText("huatuo-collector --apiserver").waitFor();
  await page.getByText("No event in the last 1h").waitFor();
  await page.getByText("No event yet").waitFor();
  await browser.open("/events?tracer=oom", facts.empty);
  await page.getByText("No event in the last 1h for this filter").waitFor();
  await page.getByRole("link", { name: "look at the last 7 d" }).click();
  await page.waitForURL(/from=-7d/);
  await browser.open("/nodes", facts.empty);
  await page.getByText("No node has connected yet").waitFor();
  await browser.open("/nodes/nobody", facts.empty);
  await page.getByRole("alert").getByText("no node is called nobody").waitFor();
  await browser.open("/events/00000000-0000-7000-8000-000000000000", facts.empty);
  await page.getByRole("alert").getByText("no event has the tracer_id").first().waitFor();
}

async function token(browser) {
  const { facts } = browser;
  const page = await browser.open("/", facts.token);
  await page.getByText("This server asks for a token").first().waitFor();
  await page.locator("#token").first().fill("wrong");
  await page.keyboard.press("Enter");
  await page.waitForLoadState();
  await page.getByText("This server asks for a token").first().waitFor();
  await page.locator("#token").first().fill(facts.secret);
  await page.keyboard.press("Enter");
  await page.getByText("No node has connected yet").waitFor();
  await page.locator(".live.on").waitFor();
  await page.evaluate(() => sessionStorage.clear());
}

async function unreachable(browser) {
  const page = await browser.open("/");
  await page.locator("[data-tile]").first().waitFor();
  await browser.context.setOffline(true);
  await page.getByRole("alert").getByText("the apiserver does not answer").first().waitFor();
  assert.equal(await page.locator("[data-tile]").count(), 5, "what was known stays on the page");
  await browser.context.setOffline(false);
  await page.getByRole("alert").first().waitFor({ state: "detached" });
}

async function plain(browser) {
  const { facts } = browser;
  const page = await browser.open("/", facts.plain);
  await page.getByText("This server has no console").waitFor();
  await page.getByText("scripts/install console").waitFor();
  assert.equal((await fetch(`http://${facts.plain}/events`, { headers: { Accept: "text/html" } })).status, 404);
  assert.deepEqual((await browser.get("/api/v1/nodes", facts.plain)).items, []);
}

export const CASES = [
  { name: "states: nothing there yet", run: empty, expected: /status of 404/ },
  { name: "states: a token is asked for", run: token, expected: /status of 401/ },
  { name: "states: nobody answers, then somebody does", run: unreachable, expected: /ERR_INTERNET_DISCONNECTED/ },
  { name: "states: an apiserver without the console", run: plain },
];
