// What happened, where, and whether the watchers are well: the first look during an incident.
import { Bars } from "../parts/bars";
import { Empty, Trouble } from "../parts/notice";
import { EventTable } from "../parts/events";
import { Live } from "../parts/kind";
import { RangeChoice } from "../parts/range";
import { Ago } from "../parts/time";
import { count, percent } from "../format";
import { rangeOf, rangeText, stepSeconds } from "../range";
import { at, changed, go, type Place } from "../route";
import { useTail } from "../tail";
import type { EventCounts, List, NodeSummary } from "../types";
import { useKept, useLoad } from "../use";

const REFRESH_MS = 5000;
const NEWEST = 14;

export function Overview(props: { place: Place }) {
  const { place } = props;
  const range = rangeOf(place.query);
  const nodes = useLoad<List<NodeSummary>>("/api/v1/nodes", REFRESH_MS);
  const query = { from: range.from, to: range.to, step_seconds: stepSeconds(range) };
  const loaded = useLoad<EventCounts>(at("/api/v1/events/counts", query), range.to ? 0 : REFRESH_MS);
  const counts = useKept(loaded.data);
  return (
    <>
      <div class="head">
        <h1>Overview</h1>
        <span class="grow" />
        <RangeChoice place={place} />
      </div>
      <Trouble problem={nodes.problem ?? loaded.problem} what="overview" />
      {nodes.data && <Tiles nodes={nodes.data.items} counts={counts} place={place} />}
      <section class="panel">
        <header><h2>Events by time and kind</h2><span class="dim">{rangeText(range)}, {stepText(counts)}</span></header>
        {counts && <Chart counts={counts} place={place} />}
      </section>
      <div class="columns">
        <Newest />
        <NodePanel nodes={nodes.data?.items ?? null} />
      </div>
    </>
  );
}

function stepText(counts: EventCounts | null): string {
  const step = counts?.step_seconds ?? 0;
  return step === 0 ? "" : step < 60 ? `${step} s a bar` : step < 3600 ? `${step / 60} min a bar` : `${step / 3600} h a bar`;
}

function total(counts: EventCounts): number {
  return counts.items.reduce((sum, item) => sum + Object.values(item.counts).reduce((a, b) => a + b, 0), 0);
}

function Chart(props: { counts: EventCounts; place: Place }) {
  const { counts, place } = props;
  const { query } = place;
  const events = (changes: Record<string, string>) => at("/events", changed(query, changes));
  if (total(counts) === 0) {
    return (
      <Empty title={`No event in the ${rangeText(rangeOf(query))}`}>
        <p>That is good news if the nodes below are connected and their units run. A wider range may have some.</p>
        <a href={at("/", changed(query, { from: "-7d", to: null }))}>last 7 d</a>
      </Empty>
    );
  }
  return (
    <Bars counts={counts} height={210} hrefOf={(tracer) => events({ tracer })}
      onRange={(from, to) => go(events({ from: new Date(from).toISOString(), to: new Date(to).toISOString() }))} />
  );
}

function Tiles(props: { nodes: NodeSummary[]; counts: EventCounts | null; place: Place }) {
  const { nodes, counts } = props;
  const gone = nodes.filter((node) => !node.connected);
  const units = nodes.flatMap((node) => node.units);
  const troubled = units.filter((unit) => unit.state === "unavailable" || unit.state === "shed");
  const worst = nodes.reduce<NodeSummary | null>((a, b) => ((b.overhead_ratio ?? 0) > (a?.overhead_ratio ?? -1) ? b : a), null);
  const over = worst?.budget_ratio && (worst.overhead_ratio ?? 0) > worst.budget_ratio;
  const lost = nodes.reduce((sum, node) => sum + node.lost, 0);
  const seen = counts ? total(counts) : null;
  const missing = counts ? counts.items.reduce((sum, item) => sum + (item.counts["gap"] ?? 0) + (item.counts["not_observed"] ?? 0), 0) : 0;
  return (
    <div class="tiles">
      <Tile name="nodes connected" href="/nodes" value={`${nodes.length - gone.length} of ${nodes.length}`} kind={gone.length ? "bad" : ""}
        more={gone.length ? `gone: ${gone.map((node) => node.node).join(", ")}` : "all of them"} />
      <Tile name="units running" href="/nodes" value={`${units.filter((unit) => unit.state === "running").length} of ${units.length}`}
        kind={troubled.length ? "warn" : ""} more={troubled.length ? `not: ${[...new Set(troubled.map((unit) => unit.unit))].join(", ")}` : "none in trouble"} />
      <Tile name="events" href={at("/events", props.place.query)} value={seen === null ? "…" : count(seen)} kind=""
        more={missing ? `${count(missing)} of them tell of a gap` : "no gap in the record"} />
      <Tile name="highest cost of a node" href={worst ? `/nodes/${encodeURIComponent(worst.node)}` : "/nodes"} value={percent(worst?.overhead_ratio)}
        kind={over ? "bad" : ""} more={worst ? `${worst.node}: of its CPU, budget ${percent(worst.budget_ratio, 1)}` : "no node"} />
      <Tile name="lost observations" href="/nodes" value={count(lost)} kind={lost ? "warn" : ""}
        more={lost ? "since the collectors started; by cause under Nodes" : "since the collectors started"} />
    </div>
  );
}

function Tile(props: { name: string; value: string; more: string; kind: string; href: string }) {
  return (
    <a class="tile" href={props.href} data-tile={props.name}>
      <div class="name">{props.name}</div>
      <div class={`value ${props.kind}`}>{props.value}</div>
      <div class="more" title={props.more}>{props.more}</div>
    </a>
  );
}

function Newest() {
  const tail = useTail({}, {}, true);
  return (
    <section class="panel">
      <header>
        <h2>Newest events</h2>
        <span class="end"><Live state={tail.state} /><a href="/events">all</a></span>
      </header>
      <Trouble problem={tail.problem} what="events" />
      {tail.events.length > 0
        ? <div class="scroll"><EventTable brief events={tail.events.slice(0, NEWEST)} fresh={tail.fresh}
            hrefOf={(event) => `/events/${event.tracer_id}`} onOpen={(event) => go(`/events/${event.tracer_id}`)} /></div>
        : !tail.loading && <Empty title="No event yet"><p>They appear here by themselves, some 100 ms after the kernel saw them.</p></Empty>}
    </section>
  );
}

function NodePanel(props: { nodes: NodeSummary[] | null }) {
  const { nodes } = props;
  return (
    <section class="panel">
      <header><h2>Nodes: cost and loss</h2><span class="end"><a href="/nodes">all</a></span></header>
      {nodes?.length === 0 && (
        <Empty title="No node has connected yet">
          <p>Start a collector and point it at this server: <code>huatuo-collector --apiserver HOST:12741</code></p>
        </Empty>
      )}
      {nodes && nodes.length > 0 && (
        <div class="scroll">
          <table>
            <thead><tr><th>node</th><th>state</th><th>cost of its CPU</th><th class="num">lost</th></tr></thead>
            <tbody>{[...nodes].sort(byTrouble).slice(0, NEWEST).map((node) => <NodeRow key={node.node} node={node} />)}</tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function byTrouble(a: NodeSummary, b: NodeSummary): number {
  return Number(a.connected) - Number(b.connected) || (b.overhead_ratio ?? 0) - (a.overhead_ratio ?? 0);
}

function NodeRow(props: { node: NodeSummary }) {
  const { node } = props;
  const href = `/nodes/${encodeURIComponent(node.node)}`;
  return (
    <tr class="link" onClick={() => go(href)}>
      <td class="nowrap" title={`kernel ${node.kernel}`}><a href={href}>{node.node}</a></td>
      <td class="nowrap">{node.connected ? <span class="good">● connected</span>
        : <span class="bad">○ gone, <Ago time={node.last_message_time} /></span>}</td>
      <td><Cost node={node} /></td>
      <td class={`num ${node.lost ? "warn" : "dim"}`}>{count(node.lost)}</td>
    </tr>
  );
}

export function Cost(props: { node: { overhead_ratio: number | null; budget_ratio: number | null; shed: string[] } }) {
  const { overhead_ratio: used, budget_ratio: budget, shed } = props.node;
  const share = used !== null && budget ? used / budget : 0;
  const kind = share > 1 || shed.length ? "bad" : share > 0.8 ? "warn" : "";
  return (
    <div class="cost" title={shed.length ? `given up to stay in the budget: ${shed.join(", ")}` : `budget ${percent(budget, 1)}`}>
      <span class="num" style={{ minWidth: "46px" }}>{percent(used)}</span>
      <div class={`bar grow ${kind}`}><i style={{ width: `${Math.min(100, 100 * share)}%` }} /></div>
      <span class="dim num">of {percent(budget, 1)}</span>
    </div>
  );
}
