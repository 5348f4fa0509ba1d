// SPDX-License-Identifier: Apache-2.0
// A Chromium with an empty profile, and what it must not do: ask other hosts, report errors.
import { mkdtempSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export class Browser {
  constructor(facts) {
    this.facts = facts;
    this.complaints = [];  // of the present case
    this.foreign = [];     // requests to another host than the apiservers'
    this.hosts = new Set([facts.http, facts.empty, facts.token, facts.plain]);
  }

  async start(scheme = "dark") {
    const { chromium } = createRequire(join(this.facts.packages, "package.json"))("playwright-core");
    this.context = await chromium.launchPersistentContext(mkdtempSync(join(this.facts.folder, "profile-")), {
      executablePath: this.facts.chromium, headless: true, args: FLAGS, colorScheme: scheme,
      viewport: { width: 1280, height: 800 }, locale: "en-US", timezoneId: "UTC",
    });
    this.context.on("request", (request) => {
      const url = new URL(request.url());
      if (/^(https?|wss?):$/.test(url.protocol) && !this.hosts.has(url.host)) this.foreign.push(request.url());
    });
    this.page = this.context.pages()[0] ?? (await this.context.newPage());
    this.page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) this.complaints.push(message.text());
    });
    this.page.on("pageerror", (error) => this.complaints.push(String(error.stack ?? error)));
    this.page.setDefaultTimeout(10_000);
  }

  async open(path, host = this.facts.http) {
    await this.page.goto(`http://${host}${path}`);
    return this.page;
  }

  async get(path, host = this.facts.http) {
    const reply = await fetch(`http://${host}${path}`);
    if (!reply.ok) throw new Error(`GET ${path}: ${reply.status} ${await reply.text()}`);
    return reply.json();
  }

  async stop() {
    await this.context?.close();
  }
}
