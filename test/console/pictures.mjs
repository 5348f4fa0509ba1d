// SPDX-License-Identifier: Apache-2.0
// The pictures of README and docs, of the data that the cases have seen.
import { join } from "node:path";

const WIDTH = 1280;

async function picture(browser, name, scheme, path, ready, height = 760) {
  const { page, facts } = browser;
  await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
  await page.setViewportSize({ width: WIDTH, height });
  await browser.open(path);
  await ready(page);
  await page.mouse.move(0, 0);
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: join(facts.images, `${name}.png`), animations: "disabled" });
}

export async function pictures(browser) {
  const { facts } = browser;
  const first = (selector) => (page) => page.locator(selector).first().waitFor();
  const legend = first(".legend a");
  const [oom] = (await browser.get("/api/v1/events?tracer=oom&node=worker-1&text=postgres&limit=1")).items;
  const range = `from=${facts.busy[0]}&to=${facts.busy[1]}`;
  await picture(browser, "overview-dark", "dark", `/?${range}`, legend);
  await picture(browser, "overview-light", "light", `/?${range}`, legend);
  await picture(browser, "event-dark", "dark", `/events/${oom.tracer_id}?${range}`, first(".detail dl"), 860);
  await picture(browser, "nodes-light", "light", "/nodes", first(".matrix"), 420);
  if (browser.served.has("/api/v1/configuration")) await picture(browser, "configuration-light", "light", "/configuration", first("textarea"), 620);
  if (!browser.served.has("/api/v1/tasks")) return;
  const task = (await browser.get("/api/v1/tasks?state=succeeded")).items.find((one) => one.tool === "cpu_profile");
  if (task) await picture(browser, "flame-dark", "dark", `/tasks/${task.id}`, first(".d3-flame-graph rect"), 700);
}
