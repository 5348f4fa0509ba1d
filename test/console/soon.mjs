// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

const LONGEST_MS = 15_000;
const BETWEEN_MS = 50;
const SHOWN = 400;

// The first true value of the condition.
export async function soon(condition, what) {
  const end = Date.now() + LONGEST_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) assert.fail(`not within ${LONGEST_MS / 1000} s: ${what}`);
    await pause(BETWEEN_MS);
  }
}

// Both are asked until they agree: each shows the present, at its own time.
export async function equalSoon(shown, told, what) {
  let last = "";
  await soon(async () => {
    const [a, b] = [await shown(), await told()];
    last = `${JSON.stringify(a).slice(0, SHOWN)} and ${JSON.stringify(b).slice(0, SHOWN)}`;
    return JSON.stringify(a) === JSON.stringify(b);
  }, what).catch((error) => assert.fail(`${error.message}: ${last}`));
}
