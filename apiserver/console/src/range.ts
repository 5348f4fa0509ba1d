// The range of time of a view, as `from` and `to` of its URL: what the REST API accepts, so that
// "-1h" goes on to mean the last hour.
import { day, clock } from "./format";

export interface Range {
  from: string;
  to: string | null;  // null: until now
}

export const PRESETS = ["-15m", "-1h", "-6h", "-24h", "-7d"];
const DEFAULT = "-1h";
const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400 };

// Bars of about ten pixels on a wide screen.
const MOST_STEPS = 120;
const MOST_STEP_DAYS = 30;  // that the API takes
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];

export function rangeOf(query: URLSearchParams): Range {
  return { from: query.get("from") ?? DEFAULT, to: query.get("to") };
}

// Milliseconds since 1970.
export function moment(text: string, now: number): number {
  const relative = /^-(\d+)([smhd])$/.exec(text);
  if (relative) return now - Number(relative[1]) * (UNITS[relative[2] ?? "s"] ?? 1) * 1000;
  const time = Date.parse(text);
  return Number.isNaN(time) ? now : time;
}

export function bounds(range: Range, now = Date.now()): { from: number; to: number } {
  return { from: moment(range.from, now), to: range.to ? moment(range.to, now) : now };
}

export function stepSeconds(range: Range): number {
  const { from, to } = bounds(range);
  const wanted = (to - from) / 1000 / MOST_STEPS;
  return STEPS.find((step) => step >= wanted) ?? Math.min(Math.ceil(wanted / 86400), MOST_STEP_DAYS) * 86400;
}

// "last 1h", or the two times.
export function rangeText(range: Range): string {
  if (!range.to && range.from.startsWith("-")) return `last ${range.from.slice(1)}`;
  const { from, to } = bounds(range);
  const text = (time: number) => `${day(new Date(time)).slice(5)} ${clock(new Date(time), false)}`;
  return `${text(from)} – ${range.to ? text(to) : "now"}`;
}
