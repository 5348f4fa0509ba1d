// All nodes against all units: which runs, by what it runs, and why one does not.
import { count } from "../format";
import { UNIT_MARK, UnitMark } from "../parts/kind";
import { Empty, Trouble } from "../parts/notice";
import { Ago } from "../parts/time";
import { at, go, type Place } from "../route";
import type { List, NodeSummary, UnitState, UnitSummary } from "../types";
import { useLoad } from "../use";
import { Cost } from "./overview";

const REFRESH_MS = 5000;
const ALWAYS = "always";

export function Nodes(props: { place: Place }) {
  const loaded = useLoad<List<NodeSummary>>("/api/v1/nodes", REFRESH_MS);
  const nodes = loaded.data?.items ?? [];
  const word = props.place.query.get("find") ?? "";
  const shown = nodes.filter((node) => `${node.node} ${node.kernel} ${node.region}`.includes(word));
  return (
    <>
      <div class="head">
        <h1>Nodes</h1>
        {loaded.data && <span class="dim">{nodes.filter((node) => node.connected).length} of {nodes.length} connected</span>}
        <span class="grow" />
        <input aria-label="find a node" placeholder="name, kernel or region" value={word}
          onInput={(event) => go(at("/nodes", { find: event.currentTarget.value }), true)} />
      </div>
      <Trouble problem={loaded.problem} what="nodes" />
      {loaded.data && nodes.length === 0 && (
        <section class="panel">
          <Empty title="No node has connected yet">
            <p>Start a collector on a node and point it at this server: <code>huatuo-collector --apiserver HOST:12741</code>.
              It appears here within a second.</p>
          </Empty>
        </section>
      )}
      {shown.length > 0 && <Matrix nodes={shown} />}
      {shown.length > 0 && <Reasons nodes={shown} />}
    </>
  );
}

function always(node: NodeSummary): UnitSummary[] {
  return node.units.filter((unit) => !unit.instance || unit.instance === ALWAYS);
}

function Matrix(props: { nodes: NodeSummary[] }) {
  const names = [...new Set(props.nodes.flatMap((node) => always(node).map((unit) => unit.unit)))].sort();
  return (
    <section class="panel">
      <div class="scroll">
        <table class="matrix">
          <thead>
            <tr>
              <th>node</th><th>state</th><th>kernel</th><th>cost of its CPU</th><th class="num">lost</th><th class="num">tasks</th>
              {names.map((name) => <th key={name} class="unit">{name}</th>)}
            </tr>
          </thead>
          <tbody>{props.nodes.map((node) => <NodeLine key={node.node} node={node} names={names} />)}</tbody>
        </table>
      </div>
      <div class="body row dim">
        <UnitMark state="running" text="running" /><span class="good">●<span class="warn">*</span> running by second choice</span>
        <UnitMark state="unavailable" text="cannot run here" /><UnitMark state="shed" text="given up to stay in the budget" /><UnitMark state="off" text="off by configuration" />
      </div>
    </section>
  );
}

function NodeLine(props: { node: NodeSummary; names: string[] }) {
  const { node } = props;
  const href = `/nodes/${encodeURIComponent(node.node)}`;
  const states = new Map(always(node).map((unit) => [unit.unit, unit]));
  return (
    <tr class="link" onClick={() => go(href)}>
      <td><a href={href}>{node.node}</a> {node.region !== "default" && <span class="tag">{node.region}</span>}</td>
      <td>{node.connected ? <span class="good">● connected</span> : <span class="bad">○ gone, <Ago time={node.last_message_time} /></span>}</td>
      <td class="mono dim">{node.kernel}</td>
      <td style={{ minWidth: "190px" }}><Cost node={node} /></td>
      <td class={`num ${node.lost ? "warn" : "dim"}`}>{count(node.lost)}</td>
      <td class="num dim">{node.units.length - states.size}</td>
      {props.names.map((name) => <UnitCell key={name} unit={states.get(name)} />)}
    </tr>
  );
}

function UnitCell(props: { unit: UnitSummary | undefined }) {
  const { unit } = props;
  if (!unit) return <td class="unit faint" title="this node's catalog has no such unit">·</td>;
  return (
    <td class="unit" title={[`${unit.unit}: ${unit.state}`, unit.reason].filter(Boolean).join("\n")}>
      <UnitMark state={unit.state} />
      {unit.state === "running" && unit.reason && <span class="warn">*</span>}
    </td>
  );
}

// Equal reasons of many nodes are one line.
function Reasons(props: { nodes: NodeSummary[] }) {
  const groups = new Map<string, { unit: UnitSummary; nodes: string[] }>();
  for (const node of props.nodes) {
    for (const unit of node.units.filter((u) => u.reason)) {
      const key = `${unit.unit}\n${unit.state}\n${unit.reason}`;
      const group = groups.get(key) ?? { unit, nodes: [] };
      groups.set(key, { unit, nodes: [...group.nodes, node.node] });
    }
  }
  if (groups.size === 0) return null;
  const weight: Record<UnitState, number> = { unavailable: 0, shed: 1, unknown: 2, running: 3, off: 4 };
  const sorted = [...groups.values()].sort((a, b) => weight[a.unit.state] - weight[b.unit.state]);
  return (
    <section class="panel">
      <header><h2>Why</h2><span class="dim">units that do not run, or not in the best way</span></header>
      <table>
        <thead><tr><th>unit</th><th>state</th><th>reason</th><th>nodes</th></tr></thead>
        <tbody>
          {sorted.map(({ unit, nodes }) => (
            <tr key={`${unit.unit}${unit.reason}`}>
              <td class="nowrap">{unit.unit}</td>
              <td class="nowrap" title={UNIT_MARK[unit.state]}><UnitMark state={unit.state} text={unit.state} /></td>
              <td>{unit.reason}</td>
              <td class="nowrap" title={nodes.join("\n")}>{nodes.length > 3 ? `${count(nodes.length)} nodes` : nodes.map((name) => (
                <a key={name} href={`/nodes/${encodeURIComponent(name)}`}>{name} </a>))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
