import { tracerVariable } from "../palette";
import type { StreamState } from "../stream";
import type { TaskState, UnitState } from "../types";

// A tracer with its colour.
export function Kind(props: { tracer: string }) {
  return (
    <span class="chip">
      <i style={{ "--mark": `var(${tracerVariable(props.tracer)})` }} />
      {props.tracer}
    </span>
  );
}

const UNIT_CLASS: Record<UnitState, string> = {
  running: "good", unavailable: "bad", shed: "warn", off: "faint", unknown: "faint",
};

// The shape tells the state as well as the colour.
export const UNIT_MARK: Record<UnitState, string> = {
  running: "●", unavailable: "▲", shed: "◐", off: "○", unknown: "?",
};

export function UnitMark(props: { state: UnitState; text?: string }) {
  return <span class={UNIT_CLASS[props.state]}>{UNIT_MARK[props.state]}{props.text ? ` ${props.text}` : ""}</span>;
}

const TASK_CLASS: Record<TaskState, string> = {
  pending: "", dispatched: "accent", running: "accent", succeeded: "good", failed: "bad", cancelled: "", expired: "warn",
};

export function TaskTag(props: { state: TaskState }) {
  return <span class={`tag ${TASK_CLASS[props.state] ?? ""}`}>{props.state}</span>;
}

const LIVE: Record<StreamState, [string, string]> = {
  live: ["on", "live"], connecting: ["off", "connecting"], paused: ["off", "paused"], ended: ["off", "ended"],
};

export function Live(props: { state: StreamState }) {
  const [kind, text] = LIVE[props.state];
  return (
    <span class={`live ${kind}`} role="status">
      <span class={`dot ${kind === "on" ? "" : "ring"}`} />
      {text}
    </span>
  );
}
