// One colour for each tracer, the same in every view and after every reload. What is missing from
// the record has the colours of a warning.
import { color } from "./theme";

const COLORS = 10;
const FIXED: Record<string, string> = { gap: "--lost", not_observed: "--unseen" };

// The order of the catalog, so that neighbours differ; names that it lacks go by a hash.
let order: string[] = [];

export function setTracers(names: string[]): void {
  order = names;
}

function slot(tracer: string): number {
  const known = order.indexOf(tracer);
  if (known >= 0) return known % COLORS;
  let hash = 7;
  for (const c of tracer) hash = (31 * hash + c.charCodeAt(0)) >>> 0;
  return hash % COLORS;
}

// Name of the custom property.
export function tracerVariable(tracer: string): string {
  return FIXED[tracer] ?? `--kind-${slot(tracer)}`;
}

export function tracerColor(tracer: string): string {
  return color(tracerVariable(tracer));
}
