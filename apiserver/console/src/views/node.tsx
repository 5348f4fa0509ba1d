// One node: its units and why, what each program costs, what was lost.
import { useState } from "preact/hooks";
import { Problem, send } from "../api";
import { bytes, count, nanoseconds, percent, seconds } from "../format";
import { causeHelp } from "../losses";
import { UnitMark } from "../parts/kind";
import { Empty, Trouble } from "../parts/notice";
import { Ago } from "../parts/time";
import { at } from "../route";
import type { NodeDetail, ParameterValue, UnitStatus } from "../types";
import { useLoad } from "../use";
import { Cost } from "./overview";

const REFRESH_MS = 5000;

export function NodeView(props: { name: string }) {
  const { name } = props;
  const loaded = useLoad<NodeDetail>(`/api/v1/nodes/${encodeURIComponent(name)}`, REFRESH_MS);
  const node = loaded.data;
  return (
    <>
      <div class="head">
        <h1><a class="dim" href="/nodes">Nodes</a> / {name}</h1>
        {node && (node.connected ? <span class="tag good">connected</span> : <span class="tag bad">gone, <Ago time={node.last_message_time} /></span>)}
        <span class="grow" />
        <a class="button" href={at("/events", { node: name })}>its events</a>
        <a class="button" href={at("/profiles", { node: name })}>its profiles</a>
        <a class="button" href={at("/tasks/new", { node: name })}>start a task</a>
      </div>
      <Trouble problem={loaded.problem} what={name} />
      {node && <Facts node={node} />}
      {node && <Units node={node} reload={loaded.reload} />}
      {node && <div class="columns"><Programs node={node} /><Losses node={node} /></div>}
    </>
  );
}

function Facts(props: { node: NodeDetail }) {
  const { node } = props;
  const { collector, server } = node;
  const skewed = Math.abs(server.clock_skew_seconds) > 1;
  const full = collector.spool_limit_bytes ? collector.spool_bytes / collector.spool_limit_bytes : 0;
  return (
    <div class="tiles">
      <div class="tile"><div class="name">kernel</div><div class="mono" style={{ padding: "5px 0" }}>{node.kernel}</div>
        <div class="more">{node.cpus} CPUs, {collector.containers} containers{node.region === "default" ? "" : `, ${node.region}`}</div></div>
      <div class="tile"><div class="name">cost of its CPU</div><div style={{ padding: "4px 0" }}><Cost node={node} /></div>
        <div class="more">{node.shed.length ? `given up: ${node.shed.join(", ")}` : "nothing given up"}</div></div>
      <div class="tile"><div class="name">collector</div><div class="value"><span title={`peak ${bytes(collector.peak_rss_bytes)}`}>{bytes(collector.rss_bytes)}</span></div>
        <div class="more">maps {bytes(collector.map_bytes)}{collector.cpu_seconds === null ? "" : `, ${seconds(Math.round(collector.cpu_seconds))} of CPU`}</div></div>
      <div class="tile"><div class="name">spool</div><div class={`value ${full > 0.8 ? "warn" : ""}`}>{bytes(collector.spool_bytes)}</div>
        <div class="more">{count(collector.spooled_entries)} wait, of {bytes(collector.spool_limit_bytes)}</div></div>
      <div class="tile"><div class="name">stored by the server</div><div class="value">{count(server.events)}</div>
        <div class={`more ${server.missing || server.rejected ? "warn" : ""}`}>{count(server.missing)} missing, {count(server.rejected)} rejected</div></div>
      <div class="tile"><div class="name">connection</div><div class="mono" style={{ padding: "5px 0" }}>since <Ago time={node.connected_time} /></div>
        <div class={`more ${skewed ? "warn" : ""}`}>version {node.version}, clock {skewed ? `off by ${server.clock_skew_seconds.toFixed(1)} s` : "right"}</div></div>
    </div>
  );
}

function Units(props: { node: NodeDetail; reload: () => void }) {
  const { node } = props;
  const refused = node.server.refused_units;
  return (
    <section class="panel">
      <header><h2>Units</h2></header>
      {refused.map((unit) => <div key={unit.unit} class="notice bad">The server refuses {unit.unit}: {unit.reason}</div>)}
      <div class="scroll">
        <table>
          <thead><tr><th>unit</th><th>state</th><th>mechanism</th><th class="num">records</th><th class="num">refused</th><th class="num">ring full</th><th>lacks, reason</th><th>parameters</th></tr></thead>
          <tbody>{node.units.map((unit) => <UnitRow key={unit.unit + unit.instance} unit={unit} node={node.node} reload={props.reload} />)}</tbody>
        </table>
      </div>
    </section>
  );
}

function UnitRow(props: { unit: UnitStatus; node: string; reload: () => void }) {
  const { unit } = props;
  const task = unit.instance.startsWith("task:") ? unit.instance.slice(5) : "";
  return (
    <tr>
      <td class="nowrap">{unit.unit} {task && <a class="tag accent" href={`/tasks/${task}`}>task</a>}</td>
      <td class="nowrap"><UnitMark state={unit.state} text={unit.state} /></td>
      <td class="mono nowrap">{unit.mechanism || "–"}</td>
      <Counter value={unit.counters.emitted} kind="" />
      <Counter value={unit.counters.refused} kind="warn" />
      <Counter value={unit.counters.ring_full} kind="bad" />
      <td style={{ maxWidth: "520px" }}>
        {unit.lacks && <div><span class="dim">lacks</span> {unit.lacks}</div>}
        {unit.reason && <div class="dim">{unit.reason}</div>}
      </td>
      <td>{unit.filter && <div class="nowrap"><span class="dim">filter</span> <span class="mono">{unit.filter}</span></div>}
        {unit.parameters.map((parameter) => (
        <ParameterInput key={parameter.name} node={props.node} unit={unit.unit} parameter={parameter} fixed={task !== ""} reload={props.reload} />
      ))}</td>
    </tr>
  );
}

function Counter(props: { value: number; kind: string }) {
  return <td class={`num ${props.value ? props.kind : "faint"}`}>{count(props.value)}</td>;
}

// Shows a live parameter; a click makes it a field.
function ParameterInput(props: { node: string; unit: string; parameter: ParameterValue; fixed: boolean; reload: () => void }) {
  const { parameter } = props;
  const [draft, setDraft] = useState<string | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const hint = [parameter.help, parameter.maximum === undefined ? "" : `${parameter.minimum} to ${parameter.maximum} ${parameter.unit ?? ""}, default ${parameter.default}`].join("\n");
  const value = parameter.name.endsWith("_ns") ? nanoseconds(parameter.value) : count(parameter.value);
  if (draft === null) {
    return (
      <div class="nowrap" title={hint}>
        <span class="dim">{parameter.name}</span>{" "}
        {props.fixed ? <span>{value}</span> : <button class="plain" onClick={() => setDraft(String(parameter.value))} title={`${hint}\nclick to change`}>{value}</button>}
        {parameter.default !== undefined && parameter.value !== parameter.default && <span class="tag accent">changed</span>}
      </div>
    );
  }
  const apply = async (event: Event) => {
    event.preventDefault();
    try {
      await send("PUT", `/api/v1/nodes/${encodeURIComponent(props.node)}/parameters`, { unit: props.unit, values: { [parameter.name]: Number(draft) } });
      setDraft(null);
      setProblem(null);
      props.reload();
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem(0, String(error)));
    }
  };
  return (
    <form class="row" onSubmit={(event) => void apply(event)} title={hint}>
      <span class="dim">{parameter.name}</span>
      <input type="number" value={draft} style={{ width: "130px" }} onInput={(event) => setDraft(event.currentTarget.value)} />
      <button class="main">set</button>
      <button type="button" class="plain" onClick={() => setDraft(null)}>cancel</button>
      {problem && <span class="bad">{problem.detail}{problem.accepted ? `: accepted is ${problem.accepted}` : ""}</span>}
    </form>
  );
}

function Programs(props: { node: NodeDetail }) {
  const programs = [...props.node.programs].sort((a, b) => (b.cpu_ratio ?? 0) - (a.cpu_ratio ?? 0));
  return (
    <section class="panel">
      <header><h2>Cost of each BPF program</h2><span class="dim">measured 1 s in 10</span></header>
      {programs.length === 0 ? <Empty title="No BPF program runs here"><p>The reasons above say why; the other units need none.</p></Empty> : (
        <div class="scroll">
          <table>
            <thead><tr><th>program</th><th>unit</th><th class="num">of one CPU</th><th class="num">a run</th><th class="num">runs seen</th><th class="num">map memory</th></tr></thead>
            <tbody>
              {programs.map((program) => (
                <tr key={program.unit + program.program}>
                  <td class="mono">{program.program}</td><td>{program.unit}</td>
                  <td class="num">{percent(program.cpu_ratio, 3)}</td>
                  <td class="num">{program.ns_per_run === null ? "–" : nanoseconds(Math.round(program.ns_per_run))}</td>
                  <td class="num">{count(program.runs)}</td><td class="num">{bytes(program.map_bytes)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Losses(props: { node: NodeDetail }) {
  const losses = props.node.losses.filter((loss) => loss.count > 0).sort((a, b) => b.count - a.count);
  return (
    <section class="panel">
      <header><h2>Losses by cause</h2><span class="dim">since the collector started</span></header>
      {losses.length === 0 ? <Empty title="Nothing was lost"><p>Every place that can lose an observation counts; all of them are at 0.</p></Empty> : (
        <table>
          <thead><tr><th>cause</th><th>unit</th><th class="num">lost</th><th>what it means</th></tr></thead>
          <tbody>
            {losses.map((loss) => (
              <tr key={loss.cause + loss.unit}>
                <td class="mono nowrap">{loss.cause}</td><td>{loss.unit || "–"}</td><td class="num warn">{count(loss.count)}</td><td class="dim">{causeHelp(loss.cause)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
