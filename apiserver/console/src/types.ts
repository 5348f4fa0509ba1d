// What the REST API answers, as far as the console reads it; /api/v1/openapi.json has all of it.

export interface List<T> {
  items: T[];
  next_cursor: string | null;
}

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type JsonObject = { [name: string]: Json };

export interface EventDocument {
  tracer_name: string;
  tracer_id: string;
  tracer_type: "auto" | "manual";
  tracer_time: string;
  uploaded_time?: string;
  task_id?: string;
  hostname?: string;
  node?: string;
  region?: string;
  container_id?: string;
  container_name?: string;
  container_host_namespace?: string;
  pod_name?: string;
  known_issue?: string;  // name of the rule that knows it
  tracer_data: JsonObject;
  [name: string]: Json | undefined;
}

export interface EventList extends List<EventDocument> {
  newest_position: string;
}

export interface EventCounts {
  step_seconds: number;
  items: { time: string; counts: Record<string, number> }[];
}

export type UnitState = "running" | "unavailable" | "off" | "shed" | "unknown";

export interface UnitSummary {
  unit: string;
  instance: string;
  state: UnitState;
  reason: string;
}

export interface ParameterValue extends Partial<Parameter> {
  name: string;
  value: number;
}

export interface UnitStatus extends UnitSummary {
  mechanism: string;
  lacks: string;
  counters: { emitted: number; refused: number; ring_full: number };
  parameters: ParameterValue[];
  filter: string | null;
}

export interface Configuration {
  version: number;  // 0: nobody has configured anything
  created_time: string | null;
  comment: string;
  defaults: JsonObject;
  overrides: JsonObject[];
}

export interface NodeSummary {
  configuration: { state: "pending" | "applied" | "refused"; version: number; refused: { unit: string; reason: string }[] };
  node: string;
  region: string;
  hostname: string;
  kernel: string;
  version: string;
  connected: boolean;
  connected_time: string | null;
  last_message_time: string | null;
  cpus: number;
  overhead_ratio: number | null;
  budget_ratio: number | null;
  lost: number;
  shed: string[];
  units: UnitSummary[];
}

export interface Program {
  unit: string;
  instance: string;
  program: string;
  runs: number;
  run_ns: number;
  ns_per_run: number | null;
  cpu_ratio: number | null;
  map_bytes: number;
}

export interface Loss {
  unit: string;
  cause: string;
  count: number;
}

export interface NodeDetail extends Omit<NodeSummary, "units"> {
  boot_id: string;
  epoch: string;
  status_time: string | null;
  units: UnitStatus[];
  programs: Program[];
  losses: Loss[];
  collector: {
    cpu_seconds: number | null;
    rss_bytes: number;
    peak_rss_bytes: number;
    map_bytes: number;
    spool_bytes: number;
    spool_limit_bytes: number;
    spooled_entries: number;
    containers: number;
  };
  server: {
    events: number;
    rejected: number;
    missing: number;
    clock_skew_seconds: number;
    refused_units: { unit: string; reason: string }[];
  };
}

export interface Field {
  name: string;
  help: string;
  type: string;
  fields?: Field[];
}

export interface Parameter {
  name: string;
  help: string;
  unit: string;
  default: number;
  minimum: number;
  maximum: number;
}

export interface Unit {
  name: string;
  help: string;
  events: { name: string; help: string; fields: Field[] }[];
  parameters: Parameter[];
  task?: boolean;
  filter?: string;
  profiles?: { name: string; help: string }[];
}

export type TaskState =
  | "pending" | "dispatched" | "running" | "succeeded" | "failed" | "cancelled" | "expired";

export interface TaskTarget {
  nodes?: string[];
  container?: string;
  pid?: number;
}

export interface Task {
  id: string;
  tool: string;
  parameters: Record<string, number | string>;
  target: TaskTarget;
  duration_seconds: number;
  state: TaskState;
  reason: string;
  created_time: string;
  started_time: string | null;
  ended_time: string | null;
  nodes: {
    node: string;
    container_id?: string;
    state: TaskState;
    reason: string;
    events: number;
    profiles: number;
    lost: number;
  }[];
}

export interface Profile {
  id: string;
  node: string;
  unit: string;
  type: string;
  task_id: string | null;
  time: string;
  duration_seconds: number;
  samples: number;
  total: number;
  value_unit: string;
  losses: Record<string, number>;
  containers: { id?: string; name?: string; namespace?: string; pod_name?: string; pod_uid?: string }[];
  bytes: number;
}

export interface FlameItem {
  level: number;
  value: number;
  self: number;
  label: string;
  kind?: "kernel" | "user";
}

export interface FlameGraph {
  unit: string;
  total: number;
  items: FlameItem[];
}
