// Events: filters in the URL, a live list, and beside it the one that was chosen.
import { useEffect, useRef, useState } from "preact/hooks";
import { Bars } from "../parts/bars";
import { EventTable } from "../parts/events";
import { Live } from "../parts/kind";
import { Empty, Trouble } from "../parts/notice";
import { RangeChoice } from "../parts/range";
import { count } from "../format";
import { rangeOf, rangeText, stepSeconds } from "../range";
import { at, changed, go, type Place } from "../route";
import { useTail, type Tail } from "../tail";
import type { EventCounts, EventDocument, Unit } from "../types";
import { useKept, useKeys, useLoad } from "../use";
import { EventDetail } from "./event";

const NAMES = ["tracer", "node", "namespace", "pod", "container", "task", "text"] as const;
const REFRESH_MS = 10_000;

function chosen(query: URLSearchParams): Record<string, string> {
  return Object.fromEntries(NAMES.flatMap((name) => (query.get(name) ? [[name, query.get(name)!]] : [])));
}

export function Events(props: { place: Place; units: Unit[] }) {
  const { place, units } = props;
  const { query } = place;
  const filter = chosen(query);
  const range = rangeOf(query);
  const live = range.to === null && query.get("live") !== "off";
  const tail = useTail(filter, { from: range.from, ...(range.to ? { to: range.to } : {}) }, live);
  const open = place.segments[1] ?? "";
  const show = (id: string) => go(at(id ? `/events/${id}` : "/events", query), open !== "" && id !== "");
  useListKeys(tail.events, open, show);
  return (
    <>
      <div class="head">
        <h1>Events</h1>
        {live ? <Live state={tail.state} /> : <span class="tag">not live</span>}
        <button class="plain" onClick={() => toggleLive(place, live)} title="l">{live ? "pause" : "go live"}</button>
        <span class="grow" />
        <RangeChoice place={place} />
      </div>
      <Filters place={place} units={units} />
      <Trouble problem={tail.problem} what="events" />
      <History place={place} filter={filter} />
      <div class={open ? "split open" : "split"}>
        <section class="panel list">
          <Rows tail={tail} open={open} place={place} show={show} />
        </section>
        {open && <EventDetail key={open} id={open} known={tail.events.find((event) => event.tracer_id === open)} units={units}
          query={query} onClose={() => show("")} />}
      </div>
    </>
  );
}

function toggleLive(place: Place, live: boolean): void {
  go(at(place.path, changed(place.query, live ? { live: "off" } : { live: null, to: null })));
}

function useListKeys(events: EventDocument[], open: string, show: (id: string) => void): void {
  const move = (by: number) => {
    const index = events.findIndex((event) => event.tracer_id === open);
    const next = events[index < 0 ? 0 : Math.min(events.length - 1, Math.max(0, index + by))];
    if (!next) return;
    show(next.tracer_id);
    document.querySelector(`tr[data-id="${next.tracer_id}"]`)?.scrollIntoView({ block: "nearest" });
  };
  useKeys({
    j: () => move(1), k: () => move(-1), ArrowDown: () => move(1), ArrowUp: () => move(-1),
    Escape: () => {
      if (document.activeElement instanceof HTMLInputElement) document.activeElement.blur();
      else if (open) show("");
    },
    "/": () => document.querySelector<HTMLInputElement>("input[name=text]")?.focus(),
    l: () => document.querySelector<HTMLButtonElement>(".head button.plain")?.click(),
  });
}

const HINTS: Record<string, string> = { container: "name or id, 12 digits or more", text: "words in the document  /" };

function Filters(props: { place: Place; units: Unit[] }) {
  const { path, query } = props.place;
  const set = (name: string, value: string) => go(at(path, changed(query, { [name]: value.trim() || null })));
  const tracers = props.units.flatMap((unit) => unit.events.map((event) => event.name));
  const tracer = query.get("tracer") ?? "";
  if (tracer && !tracers.includes(tracer)) tracers.push(tracer);
  const any = NAMES.some((name) => query.get(name));
  return (
    <div class="filters" role="search">
      <select aria-label="event" class={tracer ? "set" : ""} value={tracer} onChange={(event) => set("tracer", event.currentTarget.value)}>
        <option value="">every event</option>
        {["gap", "not_observed", ...tracers].filter((name, i, all) => all.indexOf(name) === i).sort()
          .map((name) => <option key={name}>{name}</option>)}
      </select>
      {NAMES.filter((name) => name !== "tracer" && (name !== "task" || query.get(name))).map((name) => (
        <FilterInput key={name} name={name} value={query.get(name) ?? ""} set={set} />
      ))}
      {any && <button class="plain" onClick={() => go(at(path, changed(query, Object.fromEntries(NAMES.map((name) => [name, null])))))}>clear</button>}
    </div>
  );
}

function FilterInput(props: { name: string; value: string; set: (name: string, value: string) => void }) {
  const { name, value, set } = props;
  const [draft, setDraft] = useState(value);
  useEffect(() => setDraft(value), [value]);
  return (
    <input name={name} aria-label={name} placeholder={name} title={HINTS[name] ?? name} value={draft} spellcheck={false}
      class={`${name === "text" ? "wide " : ""}${value ? "set" : ""}`}
      onInput={(event) => setDraft(event.currentTarget.value)}
      onChange={(event) => set(name, event.currentTarget.value)}
      onKeyDown={(event) => { if (event.key === "Enter") set(name, event.currentTarget.value); }} />
  );
}

function History(props: { place: Place; filter: Record<string, string> }) {
  const { place, filter } = props;
  const range = rangeOf(place.query);
  const loaded = useLoad<EventCounts>(
    at("/api/v1/events/counts", { ...filter, from: range.from, to: range.to, step_seconds: stepSeconds(range) }),
    // Text is searched for in every row of the range.
    range.to || filter["text"] ? 0 : REFRESH_MS);
  const counts = useKept(loaded.data);
  const some = counts?.items.some((item) => Object.keys(item.counts).length > 0);
  if (!counts || !some) return null;
  return (
    <section class="panel">
      <Bars counts={counts} height={110} hrefOf={(tracer) => at("/events", changed(place.query, { tracer }))}
        onRange={(from, to) => go(at("/events", changed(place.query,
          { from: new Date(from).toISOString(), to: new Date(to).toISOString() })))} />
    </section>
  );
}

function Rows(props: { tail: Tail; open: string; place: Place; show: (id: string) => void }) {
  const { tail, place } = props;
  const box = useRef<HTMLDivElement>(null);
  const href = (event: EventDocument) => at(`/events/${event.tracer_id}`, place.query);
  if (tail.events.length === 0) return tail.loading ? <Empty title="…" /> : <NoRows place={place} />;
  return (
    <>
      <div ref={box}>
        <EventTable events={tail.events} fresh={tail.fresh} selected={props.open} hrefOf={href}
          onOpen={(event) => props.show(event.tracer_id === props.open ? "" : event.tracer_id)} />
      </div>
      <div class="body row dim">
        <span>{count(tail.events.length)} shown</span>
        {tail.more && <button onClick={() => void tail.older()}>older ones</button>}
        {tail.dropped && <span>The oldest were left out for new ones: a range of time has them.</span>}
      </div>
    </>
  );
}

function NoRows(props: { place: Place }) {
  const { place } = props;
  const range = rangeOf(place.query);
  const filtered = Object.keys(chosen(place.query)).length > 0;
  return (
    <Empty title={`No event in the ${rangeText(range)}${filtered ? " for this filter" : ""}`}>
      <p>{filtered ? "Names match whole; a container also by the first 12 digits of its id." : "They appear here by themselves when the kernel takes a slow or exceptional path."}</p>
      <div class="row">
        {range.from !== "-7d" && <a class="button" href={at("/events", changed(place.query, { from: "-7d", to: null }))}>look at the last 7 d</a>}
        {filtered && <a class="button" href={at("/events", { from: place.query.get("from"), to: place.query.get("to") })}>without the filter</a>}
        <a class="button" href="/nodes">are the units running?</a>
      </div>
    </Empty>
  );
}
