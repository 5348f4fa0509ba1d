// The form of a task. What can be asked for is what the units' catalog says: nothing here knows a tool.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Problem, send } from "../api";
import { Empty, Trouble } from "../parts/notice";
import { go, type Place } from "../route";
import type { List, NodeSummary, Parameter, Task, TaskTarget, Unit } from "../types";
import { useLoad } from "../use";

type Scope = "nodes" | "container" | "process";

interface Draft {
  tool: string;
  scope: Scope;
  nodes: string[];
  container: string;
  pid: string;
  duration: string;
  filter: string;
  values: Record<string, string>;
}

const DURATIONS = ["10", "30", "60", "300"];
const FILTER_HINTS: Record<string, string> = { packet: "tcp and dst port 443 and src net 10.0.0.0/8" };

export function NewTask(props: { place: Place; units: Unit[] }) {
  const { place } = props;
  const tools = props.units.filter((unit) => unit.task);
  const nodes = useLoad<List<NodeSummary>>("/api/v1/nodes", 5000);
  return (
    <>
      <div class="head"><h1><a class="dim" href="/tasks">Tasks</a> / new</h1></div>
      <Trouble problem={nodes.problem} what="nodes" />
      <section class="panel">
        {props.units.length > 0 && tools.length === 0 && (
          <Empty title="No node offers a tool"><p>Tools come with the collectors' catalogs. Connect a node whose collector has one.</p></Empty>
        )}
        {tools.length > 0 && nodes.data && (
          <div class="body"><Form tools={tools} nodes={nodes.data.items.filter((node) => node.connected)} query={place.query} /></div>
        )}
      </section>
    </>
  );
}

function first(query: URLSearchParams, tools: Unit[], nodes: NodeSummary[]): Draft {
  const container = query.get("container") ?? "";
  const pid = query.get("pid") ?? "";
  const node = query.get("node");
  return {
    tool: query.get("tool") ?? tools[0]?.name ?? "",
    scope: container ? "container" : pid ? "process" : "nodes",
    nodes: node ? [node] : nodes.length === 1 && nodes[0] ? [nodes[0].node] : [],
    container, pid, duration: "10", filter: query.get("filter") ?? "", values: {},
  };
}

// As the API wants it.
function bodyOf(draft: Draft, unit: Unit): unknown {
  const parameters: Record<string, number | string> = {};
  for (const [name, value] of Object.entries(draft.values)) {
    if (value !== "" && unit.parameters.some((parameter) => parameter.name === name)) parameters[name] = Number(value);
  }
  if (unit.filter && draft.filter.trim()) parameters["filter"] = draft.filter.trim();
  const target: TaskTarget = {};
  if (draft.scope === "container") target.container = draft.container.trim();
  else target.nodes = draft.scope === "process" ? draft.nodes.slice(0, 1) : draft.nodes;
  if (draft.scope === "process") target.pid = Number(draft.pid);
  return { tool: draft.tool, parameters, target, duration_seconds: Number(draft.duration) };
}

function Form(props: { tools: Unit[]; nodes: NodeSummary[]; query: URLSearchParams }) {
  const { tools, nodes } = props;
  const [draft, setDraft] = useState(() => first(props.query, tools, nodes));
  const [problem, setProblem] = useState<Problem | null>(null);
  const [sending, setSending] = useState(false);
  const change = (changes: Partial<Draft>) => setDraft({ ...draft, ...changes });
  const unit = tools.find((tool) => tool.name === draft.tool) ?? tools[0]!;
  const submit = async (event: Event) => {
    event.preventDefault();
    setSending(true);
    try {
      const task = await send<Task>("POST", "/api/v1/tasks", bodyOf({ ...draft, tool: unit.name }, unit));
      go(`/tasks/${task.id}`);
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem(0, String(error)));
      setSending(false);
    }
  };
  const wrong = (name: string) => (problem?.parameter?.startsWith(name) ? problem : null);
  const known = problem?.parameter && ["tool", "target", "duration_seconds", "parameters"].some((name) => problem.parameter!.startsWith(name));
  return (
    <form class="task" onSubmit={(event) => void submit(event)}>
      {problem && !known && <Trouble problem={problem} what="not started" />}
      <Field name="tool" label="tool" help={unit.help} problem={wrong("tool")}>
        <select id="tool" value={unit.name} onChange={(event) => change({ tool: event.currentTarget.value, values: {} })}>
          {tools.map((tool) => <option key={tool.name}>{tool.name}</option>)}
        </select>
      </Field>
      <Target draft={draft} nodes={nodes} change={change} problem={wrong("target")} />
      <Field name="duration" label="duration" help="in seconds" problem={wrong("duration_seconds")}>
        <div class="row">
          <input id="duration" type="number" min="1" value={draft.duration} onInput={(event) => change({ duration: event.currentTarget.value })} />
          <span class="choice">{DURATIONS.map((value) => (
            <button key={value} type="button" aria-pressed={draft.duration === value} onClick={() => change({ duration: value })}>{value} s</button>))}</span>
        </div>
      </Field>
      {unit.filter && (
        <Field name="filter" label="filter" help={`empty: everything${FILTER_HINTS[unit.filter] ? `; like ${FILTER_HINTS[unit.filter]}` : ""}`} problem={wrong("parameters.filter")}>
          <input id="filter" type="text" class="mono" spellcheck={false} value={draft.filter} onInput={(event) => change({ filter: event.currentTarget.value })} />
        </Field>
      )}
      {unit.parameters.map((parameter) => (
        <ParameterField key={parameter.name} parameter={parameter} value={draft.values[parameter.name] ?? ""} problem={wrong(`parameters.${parameter.name}`)}
          change={(value) => change({ values: { ...draft.values, [parameter.name]: value } })} />
      ))}
      <div class="field"><span /><div class="row"><button class="main" disabled={sending}>start</button><a href="/tasks">cancel</a></div></div>
    </form>
  );
}

interface FieldProps {
  name: string;
  label: string;
  help: string;
  problem: Problem | null;
  children: ComponentChildren;
}

function Field(props: FieldProps) {
  return (
    <div class="field">
      <label for={props.name}>{props.label}</label>
      <div>{props.children}</div>
      {props.problem
        ? <div class="help bad" role="alert">{props.problem.detail}{props.problem.accepted ? `; accepted: ${props.problem.accepted}` : ""}</div>
        : <div class="help">{props.help}</div>}
    </div>
  );
}

function ParameterField(props: { parameter: Parameter; value: string; problem: Problem | null; change: (value: string) => void }) {
  const { parameter } = props;
  const range = `${parameter.minimum} to ${parameter.maximum}${parameter.unit ? ` ${parameter.unit}` : ""}`;
  return (
    <Field name={parameter.name} label={parameter.name} help={`${parameter.help} ${range}.`} problem={props.problem}>
      <input id={parameter.name} type="number" min={parameter.minimum} max={parameter.maximum} placeholder={String(parameter.default)}
        value={props.value} onInput={(event) => props.change(event.currentTarget.value)} />
    </Field>
  );
}

const SCOPES: [Scope, string][] = [["nodes", "whole nodes"], ["container", "one container"], ["process", "one process"]];

function Target(props: { draft: Draft; nodes: NodeSummary[]; change: (changes: Partial<Draft>) => void; problem: Problem | null }) {
  const { draft, nodes, change } = props;
  const toggle = (node: string, on: boolean) => {
    if (draft.scope === "process") return change({ nodes: [node] });
    change({ nodes: on ? [...draft.nodes, node] : draft.nodes.filter((name) => name !== node) });
  };
  const help = draft.scope === "container" ? "its name, or 12 or more first digits of its id; found on whichever node it runs"
    : nodes.length === 0 ? "no node is connected" : draft.scope === "process" ? "a process of one node, by its pid there" : "one task on each of them";
  return (
    <Field name="target" label="target" help={help} problem={props.problem}>
      <div class="choice" id="target">
        {SCOPES.map(([scope, text]) => <button key={scope} type="button" aria-pressed={draft.scope === scope} onClick={() => change({ scope })}>{text}</button>)}
      </div>
      {draft.scope === "container"
        ? <div style={{ marginTop: "6px" }}><input type="text" class="mono" aria-label="container" spellcheck={false} value={draft.container} onInput={(event) => change({ container: event.currentTarget.value })} /></div>
        : <div class="checks">
            {nodes.map((node) => (
              <label key={node.node}>
                <input type={draft.scope === "process" ? "radio" : "checkbox"} name="node" checked={draft.nodes.includes(node.node)}
                  onChange={(event) => toggle(node.node, event.currentTarget.checked)} />{node.node}
              </label>
            ))}
          </div>}
      {draft.scope === "process" && <div style={{ marginTop: "6px" }}><input type="number" min="1" aria-label="pid" placeholder="pid" value={draft.pid} onInput={(event) => change({ pid: event.currentTarget.value })} /></div>}
    </Field>
  );
}
