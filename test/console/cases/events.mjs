// SPDX-License-Identifier: Apache-2.0
// Lists, filters, one event, and the live tail.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { equalSoon, soon } from "../soon.mjs";
import { fixedRange } from "./overview.mjs";

const PAGE = 100;
let mtu = 3000;

// A change of a real device: one event of netdev_events. Returns the new MTU.
function changeDevice(browser) {
  execFileSync("ip", ["link", "set", "dev", browser.facts.device, "mtu", String(++mtu)]);
  return mtu;
}

const ids = (page) => page.locator("table.events tbody tr").evaluateAll((rows) => rows.map((row) => row.dataset.id));
const listed = async (browser, query) =>
  (await browser.get(`/api/v1/events?${query}&limit=${PAGE}`)).items.map((event) => event.tracer_id);

async function filters(browser) {
  const range = fixedRange();
  const page = await browser.open(`/events?${range}`);
  await page.locator("table.events tbody tr").first().waitFor();
  assert.deepEqual(await ids(page), await listed(browser, range));
  await page.getByLabel("event", { exact: true }).selectOption("oom");
  await page.locator("input[name=node]").fill("worker-1");
  await page.keyboard.press("Enter");
  await page.locator("input[name=text]").fill("redis-server");
  await page.keyboard.press("Enter");
  await page.waitForURL(/text=redis-server/);
  const query = new URL(page.url()).searchParams;
  assert.deepEqual([query.get("tracer"), query.get("node"), query.get("text")], ["oom", "worker-1", "redis-server"]);
  await equalSoon(() => ids(page), () => listed(browser, query.toString()), "the filtered list");
  assert.equal((await ids(page)).length, 2);
  await page.reload();
  await equalSoon(() => ids(page), () => listed(browser, query.toString()), "the list after a reload");
  await page.getByRole("button", { name: "clear" }).click();
  await equalSoon(() => ids(page), () => listed(browser, range), "the list without filter");
}

async function pages(browser) {
  const range = fixedRange();
  const page = await browser.open(`/events?${range}&tracer=netdev_events`);
  await page.locator("table.events tbody tr").first().waitFor();
  assert.equal((await ids(page)).length, PAGE);
  await page.getByRole("button", { name: "older ones" }).click();
  await soon(async () => (await ids(page)).length === 2 * PAGE, "the second page");
  const all = await browser.get(`/api/v1/events?${range}&tracer=netdev_events&limit=${2 * PAGE}`);
  assert.deepEqual(await ids(page), all.items.map((event) => event.tracer_id));
}

async function detail(browser) {
  const [event] = (await browser.get("/api/v1/events?tracer=oom&text=redis-server&limit=1")).items;
  const page = await browser.open("/events?tracer=oom&text=redis-server");
  await page.locator(`tr[data-id="${event.tracer_id}"]`).click();
  await page.waitForURL((url) => url.pathname === `/events/${event.tracer_id}` && url.searchParams.get("tracer") === "oom");
  const panel = page.getByRole("complementary", { name: "event" });
  const facts = await panel.locator("dl.facts").evaluateAll((lists) => Object.fromEntries(lists.flatMap((list) =>
    [...list.querySelectorAll("dt")].map((dt) => [dt.textContent, dt.nextElementSibling.textContent]))));
  const data = event.tracer_data;
  assert.equal(facts.id, event.container_id);
  assert.equal(facts.pid, String(data.pid));
  assert.equal(facts.victim_process_name, "redis-server");
  assert.equal(facts.victim_pid, String(data.victim_pid));
  assert.equal(facts.pod_uid, event.pod_uid);
  const unknown = Object.keys(data).filter((name) => data[name] === null);
  assert.equal(facts.unknown, unknown.length > 0 ? unknown.join(", ") : undefined);
  assert.ok(facts.time.includes(event.tracer_time));
  await panel.getByText("document as JSON").click();
  assert.deepEqual(JSON.parse(await panel.locator("pre.raw").last().textContent()), event);
  const top = panel.locator("section", { hasText: "top_processes" }).locator("tbody tr");
  // What came too late is null, and not known.
  assert.equal(await top.count(), (data.top_processes ?? []).length);
  await panel.locator("dd.mono a").first().click();
  await page.waitForURL(/container=/);
  assert.equal(new URL(page.url()).searchParams.get("container"), event.container_id.slice(0, 12));
  await page.goBack();
  await panel.waitFor();
  await page.keyboard.press("Escape");
  await panel.waitFor({ state: "detached" });
  await page.keyboard.press("j");
  await panel.waitFor();
}

async function live(browser, note) {
  const page = await browser.open(`/events?tracer=netdev_events&text=${browser.facts.device}`);
  await page.getByRole("status").getByText("live").waitFor();
  const begin = Date.now();
  const made = changeDevice(browser);
  const first = page.locator("table.events tbody tr").first();
  await first.getByText(String(made).replace(/(\d)(\d{3})$/, "$1,$2")).waitFor();
  note(`a change was on the page after ${Date.now() - begin} ms`);
  assert.ok(Date.now() - begin < 2000);
}

async function resumed(browser) {
  const page = await browser.open(`/events?tracer=netdev_events&text=${browser.facts.device}`);
  await page.getByRole("status").getByText("live").waitFor();
  const before = await ids(page);
  await browser.context.setOffline(true);
  // Chromium keeps what is open when it goes offline; a hidden page lets go of it by itself.
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await page.getByRole("status").getByText("paused").waitFor();
  const missed = [changeDevice(browser), changeDevice(browser), changeDevice(browser)];
  await soon(async () => (await browser.get(`/api/v1/events?tracer=netdev_events&text=${missed[2]}&limit=1`)).items.length === 1,
    "the changes are stored");
  const resume = page.waitForRequest((request) => request.url().includes("/events/watch") && request.headers()["last-event-id"] !== undefined);
  await browser.context.setOffline(false);
  await page.evaluate(() => {
    delete document.hidden;
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await resume;
  await equalSoon(async () => (await ids(page)).slice(0, PAGE),
    () => listed(browser, `tracer=netdev_events&text=${browser.facts.device}&from=-1h`), "what was missed");
  const now = await ids(page);
  assert.equal(new Set(now).size, now.length, "no row twice");
  assert.deepEqual(now.slice(missed.length, missed.length + 5), before.slice(0, 5));
}

async function paused(browser) {
  const page = await browser.open("/events?tracer=netdev_events");
  await page.getByRole("status").getByText("live").waitFor();
  await page.keyboard.press("l");
  await page.waitForURL(/live=off/);
  const before = await ids(page);
  const made = changeDevice(browser);
  await soon(async () => (await browser.get(`/api/v1/events?tracer=netdev_events&text=${made}&limit=1`)).items.length === 1, "the change is stored");
  assert.deepEqual(await ids(page), before);
  await page.keyboard.press("l");
  await soon(async () => (await ids(page))[0] !== before[0], "live again");
}

// From recordings: their events are of when they were recorded.
async function everyKind(browser, note) {
  const range = `from=2020-01-01T00:00:00Z&to=${new Date().toISOString()}`;
  const kinds = (await browser.get("/api/v1/units")).items.flatMap((unit) => unit.events.map((event) => event.name));
  for (const kind of kinds) {
    const page = await browser.open(`/events?tracer=${kind}&node=${browser.facts.recorded}&${range}`);
    await page.locator("table.events tbody tr").first().click();
    const panel = page.getByRole("complementary", { name: "event" });
    await panel.getByText("document as JSON").click();
    const shown = JSON.parse(await panel.locator("pre.raw").last().textContent());
    assert.equal(shown.tracer_name, kind);
    assert.deepEqual(shown, await browser.get(`/api/v1/events/${shown.tracer_id}`));
  }
  note(`${kinds.length} kinds`);
}

export const CASES = [
  { name: "events: one of every kind", run: everyKind },
  { name: "events: filters are in the address", run: filters },
  { name: "events: older pages", run: pages },
  { name: "events: one in detail", run: detail },
  { name: "events: live tail", run: live },
  { name: "events: after a break nothing is missing and nothing is there twice", run: resumed,
    expected: /ERR_INTERNET_DISCONNECTED/ },
  { name: "events: paused", run: paused },
];
