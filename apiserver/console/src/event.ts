// Reading event documents: who, what, and one line about it. Nothing here knows a tracer; units,
// kinds and meanings come from names and from the catalog.
import { quantity, shortId } from "./format";
import type { EventDocument, Field, Json, JsonObject, Unit } from "./types";

export interface Subject {
  role: string;  // empty: the harmed one
  also: string[];  // further roles of the same container
  container: string;
  name: string;
  namespace: string;
  pod: string;
  facts: [string, string][];  // the rest of what is known
}

const text = (value: Json | undefined): string => (typeof value === "string" ? value : "");

// Keys of the envelope are `<role>_container_id`, `<role>_pod_name`, ...; of the harmed one without.
export function subjectsOf(event: EventDocument): Subject[] {
  const roles = new Set<string>();
  for (const key of Object.keys(event)) {
    const match = /^(?:(.+)_)?(?:container_id|pod_uid)$/.exec(key);
    if (match) roles.add(match[1] ?? "");
  }
  const subjects: Subject[] = [];
  for (const subject of [...roles].sort().map((role) => subjectOf(event, role))) {
    const same = subjects.find((other) => subject.container !== "" && other.container === subject.container);
    if (same) same.also.push(subject.role);
    else subjects.push(subject);
  }
  return subjects;
}

function subjectOf(event: EventDocument, role: string): Subject {
  const of = (key: string) => text(event[role ? `${role}_${key}` : key]);
  const facts: [string, string][] = [];
  for (const key of ["container_hostname", "container_type", "container_qos", "pod_uid", "owner"]) {
    if (of(key)) facts.push([key.replace("container_", ""), of(key)]);
  }
  return {
    role, also: [], container: of("container_id"), name: of("container_name"),
    namespace: of("container_host_namespace"), pod: of("pod_name"), facts,
  };
}

export function subjectText(subject: Subject | undefined): string {
  if (!subject) return "host";
  const pod = [subject.namespace, subject.pod].filter(Boolean).join("/");
  return [pod, subject.name || shortId(subject.container)].filter(Boolean).join(" · ") || "host";
}

// Said elsewhere: the process, and what only a machine reads.
const PROCESS = ["comm", "pid", "tid", "cpu", "cgroup_id"];
const HIDDEN_IN_LINE = new Set([...PROCESS, "incomplete", "lost_before", "mechanism", "repeated", "last_time"]);
const LINE_FACTS = 10;

export function isStack(name: string, value: Json | undefined): value is string {
  return typeof value === "string" && (value.includes("\n") || /(^|_)stack$/.test(name)) && value !== "";
}

export function processText(facts: JsonObject): string {
  const comm = text(facts["comm"]);
  const pid = facts["pid"];
  return comm ? `${comm}${typeof pid === "number" ? `[${pid}]` : ""}` : "";
}

export function processFacts(facts: JsonObject): [string, string][] {
  return PROCESS.filter((name) => facts[name] !== undefined && facts[name] !== null)
    .map((name) => [name, String(facts[name])]);
}

// The first facts that have a value, in the order of the catalog.
export function lineFacts(event: EventDocument): [string, string][] {
  const found: [string, string][] = [];
  for (const [name, value] of Object.entries(event.tracer_data)) {
    if (found.length === LINE_FACTS) break;
    if (HIDDEN_IN_LINE.has(name) || value === null || typeof value === "object" || value === "" || value === false) continue;
    if (isStack(name, value) || /container_(id|hostname)$|_css$/.test(name)) continue;
    found.push([name, scalar(name, value)]);
  }
  return found;
}

export function scalar(name: string, value: Json): string {
  if (value === null) return "unknown";
  if (typeof value === "number") return quantity(name, value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

export type Place = "process" | "stack" | "fact" | "table";

export function placeOf(name: string, value: Json): Place | null {
  if (PROCESS.includes(name)) return "process";
  if (name.endsWith("_frames") && Array.isArray(value)) return null;  // the twin of a stack
  if (isStack(name, value)) return "stack";
  return value !== null && typeof value === "object" ? "table" : "fact";
}

export function fieldsOf(units: Unit[], tracer: string): Map<string, Field> {
  for (const unit of units) {
    const event = unit.events.find((e) => e.name === tracer);
    if (event) return new Map(event.fields.map((field) => [field.name, field]));
  }
  return new Map();
}

const OWN: Record<string, string> = {
  gap: "Entries of this node that were lost before they could be stored.",
  not_observed: "The collector did not watch during this time.",
};

export function helpOf(units: Unit[], tracer: string): string {
  for (const unit of units) {
    const event = unit.events.find((e) => e.name === tracer);
    if (event) return event.help;
  }
  return OWN[tracer] ?? "";
}

export function unitOf(units: Unit[], tracer: string): Unit | undefined {
  return units.find((unit) => unit.events.some((event) => event.name === tracer));
}
