// One event: who, which process, the facts, the stacks, and the document as it is.
import { useState } from "preact/hooks";
import { fieldsOf, helpOf, placeOf, processFacts, scalar, subjectsOf, unitOf, type Subject } from "../event";
import { quantity } from "../format";
import { Kind } from "../parts/kind";
import { Trouble } from "../parts/notice";
import { Ago, Clock } from "../parts/time";
import { at, changed } from "../route";
import type { EventDocument, Field, Json, JsonObject, Unit } from "../types";
import { useLoad } from "../use";

interface Props {
  id: string;
  known: EventDocument | undefined;
  units: Unit[];
  query: URLSearchParams;
  onClose: () => void;
}

export function EventDetail(props: Props) {
  const loaded = useLoad<EventDocument>(props.known ? null : `/api/v1/events/${encodeURIComponent(props.id)}`);
  const event = props.known ?? loaded.data;
  return (
    <aside class="panel detail" aria-label="event">
      <header>
        {event && <h2><Kind tracer={event.tracer_name} /></h2>}
        {event && <span class="dim"><Ago time={event.tracer_time} /></span>}
        <span class="end"><button class="plain" onClick={props.onClose} title="Esc" aria-label="close">✕</button></span>
      </header>
      <Trouble problem={loaded.problem} what="this event" />
      {event && <Sections event={event} units={props.units} query={props.query} />}
    </aside>
  );
}

function Sections(props: { event: EventDocument; units: Unit[]; query: URLSearchParams }) {
  const { event, units } = props;
  const facts = event.tracer_data;
  const fields = fieldsOf(units, event.tracer_name);
  const of = (place: string) => Object.entries(facts).filter(([name, value]) => placeOf(name, value) === place);
  return (
    <>
      <section>
        <p>{helpOf(units, event.tracer_name)}</p>
        <Where {...props} />
      </section>
      {subjectsOf(event).map((subject) => <SubjectSection key={subject.role} subject={subject} query={props.query} event={event} />)}
      {processFacts(facts).length > 0 && (
        <section><h3>Process</h3><dl class="facts">{processFacts(facts).map(([name, value]) => <Fact key={name} name={name} text={value} field={fields.get(name)} />)}</dl></section>
      )}
      {of("fact").length > 0 && <FactSection facts={of("fact")} fields={fields} />}
      {of("stack").map(([name, value]) => <section key={name}><h3 title={fields.get(name)?.help}>{name}</h3><Stack text={String(value)} /></section>)}
      {of("table").map(([name, value]) => <TableSection key={name} name={name} value={value} help={fields.get(name)?.help ?? ""} />)}
      <Raw event={event} />
    </>
  );
}

function Where(props: { event: EventDocument; units: Unit[]; query: URLSearchParams }) {
  const { event, units, query } = props;
  const node = event.node ?? event.hostname ?? "";
  const unit = unitOf(units, event.tracer_name);
  return (
    <dl class="facts">
      <dt>time</dt><dd><Clock time={event.tracer_time} /> <span class="faint mono">{event.tracer_time}</span></dd>
      <dt>node</dt>
      <dd class="row"><a href={`/nodes/${encodeURIComponent(node)}`}>{node}</a>
        {event.hostname && event.hostname !== node && <span class="dim">host {event.hostname}</span>}
        <a class="dim" href={at("/events", changed(query, { node }))}>its events</a></dd>
      {event.task_id && <><dt>task</dt><dd><a href={`/tasks/${event.task_id}`}>{event.task_id}</a></dd></>}
      {event.known_issue && <><dt>known issue</dt><dd><span class="tag accent">{event.known_issue}</span></dd></>}
      {unit && <><dt>unit</dt><dd title={unit.help}>{unit.name}: {unit.help}</dd></>}
    </dl>
  );
}

function SubjectSection(props: { subject: Subject; event: EventDocument; query: URLSearchParams }) {
  const { subject, event, query } = props;
  const node = event.node ?? event.hostname;
  const container = subject.container || subject.name;
  return (
    <section>
      <h3>{subject.role ? `Container: the ${subject.role}` : "Container"}{subject.also.length > 0 && `, also the ${subject.also.join(" and the ")}`}</h3>
      <dl class="facts">
        {subject.pod && <><dt>pod</dt><dd><a href={at("/events", changed(query, { pod: subject.pod, namespace: subject.namespace }))}>{subject.namespace ? `${subject.namespace}/` : ""}{subject.pod}</a></dd></>}
        {subject.name && <><dt>name</dt><dd><a href={at("/events", changed(query, { container: subject.name }))}>{subject.name}</a></dd></>}
        {subject.container && <><dt>id</dt><dd class="mono"><a href={at("/events", changed(query, { container: subject.container.slice(0, 12) }))} title="events of this container">{subject.container}</a></dd></>}
        {subject.facts.map(([name, value]) => <Fact key={name} name={name} text={value} />)}
      </dl>
      {container && <div><a class="button" href={at("/tasks/new", { container: container.slice(0, 64), node })}>profile this container</a></div>}
    </section>
  );
}

// What is not known is said in one line.
function FactSection(props: { facts: [string, Json][]; fields: Map<string, Field> }) {
  const { facts, fields } = props;
  const unknown = facts.filter(([, value]) => value === null).map(([name]) => name);
  return (
    <section>
      <h3>Facts</h3>
      <dl class="facts">
        {facts.filter(([, value]) => value !== null).map(([name, value]) => <Fact key={name} name={name} text={scalar(name, value)} field={fields.get(name)} />)}
        {unknown.length > 0 && <><dt>unknown</dt><dd class="faint">{unknown.join(", ")}</dd></>}
      </dl>
    </section>
  );
}

function Fact(props: { name: string; text: string; field?: Field | undefined }) {
  return (
    <>
      <dt title={props.field?.help}>{props.name}</dt>
      <dd>{props.text === "" ? "–" : props.text}</dd>
    </>
  );
}

// "symbol+0x12/0x40 [module]", one a line, innermost first.
function Stack(props: { text: string }) {
  const lines = props.text.split("\n").filter(Boolean);
  return (
    <div class="stack mono">
      {lines.map((line, i) => {
        const match = /^(\S+?)(\+0x\S+)?(\s+\[.*\])?$/.exec(line.trim());
        return (
          <div key={i}>
            {match ? <>{match[1]}<span class="faint">{match[2]}</span><span class="module">{match[3]}</span></> : line}
          </div>
        );
      })}
    </div>
  );
}

function TableSection(props: { name: string; value: Json; help: string }) {
  const { name, value } = props;
  const rows = Array.isArray(value) ? value : Object.entries(value as JsonObject);
  const size = rows.length;
  return (
    <section>
      <details open={size > 0 && size <= 12}>
        <summary><h3 style={{ display: "inline" }} title={props.help}>{name}</h3> <span class="faint">{size === 0 ? "none" : size}</span></summary>
        {size > 0 && <div class="inner" style={{ marginTop: "6px" }}>{Array.isArray(value) ? <Records list={value} /> : <Members map={value as JsonObject} name={name} />}</div>}
      </details>
    </section>
  );
}

function Records(props: { list: Json[] }) {
  const records = props.list.filter((item): item is JsonObject => item !== null && typeof item === "object" && !Array.isArray(item));
  if (records.length !== props.list.length) return <pre class="raw">{props.list.map((item) => JSON.stringify(item)).join("\n")}</pre>;
  const names = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return (
    <table>
      <thead><tr>{names.map((name) => <th key={name}>{name}</th>)}</tr></thead>
      <tbody>
        {records.map((record, i) => <tr key={i}>{names.map((name) => (
          <td key={name} class={typeof record[name] === "number" ? "num" : "mono"} style={{ textAlign: "left" }}>{record[name] === undefined ? "" : scalar(name, record[name] ?? null)}</td>
        ))}</tr>)}
      </tbody>
    </table>
  );
}

// Maps of the kernel (memory.stat, meminfo) are mostly bytes, but not all; only names tell.
function Members(props: { map: JsonObject; name: string }) {
  return (
    <table>
      <tbody>
        {Object.entries(props.map).map(([name, value]) => (
          <tr key={name}><td class="mono">{name}</td><td class="num">{typeof value === "number" ? quantity(name, value) : scalar(name, value)}</td></tr>
        ))}
      </tbody>
    </table>
  );
}

function Raw(props: { event: EventDocument }) {
  const [copied, setCopied] = useState(false);
  const text = JSON.stringify(props.event, null, 2);
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(true));
  return (
    <section>
      <details>
        <summary>document as JSON</summary>
        <div class="row" style={{ margin: "6px 0" }}>
          <button onClick={copy}>{copied ? "copied" : "copy"}</button>
          <a href={`/api/v1/events/${props.event.tracer_id}`} target="_blank">/api/v1/events/{props.event.tracer_id}</a>
        </div>
        <pre class="raw">{text}</pre>
      </details>
    </section>
  );
}
