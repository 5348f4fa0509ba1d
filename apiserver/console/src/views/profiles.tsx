// Stored profiles, and one of them as a flame graph.
import { useState } from "preact/hooks";
import { get } from "../api";
import { bytes, count, seconds } from "../format";
import { valueText } from "../flame";
import { Empty, Trouble } from "../parts/notice";
import { RangeChoice } from "../parts/range";
import { ProfileResult } from "../parts/result";
import { Ago, Clock } from "../parts/time";
import { rangeOf, rangeText } from "../range";
import { at, changed, go, type Place } from "../route";
import type { List, Profile } from "../types";
import { useLoad } from "../use";

const NAMES = ["node", "unit", "namespace", "pod", "container", "task_id"] as const;
const REFRESH_MS = 10_000;
const PAGE = 100;

function nameOf(container: Profile["containers"][number]): string {
  const name = container.name || (container.id ?? "").slice(0, 12);
  return container.pod_name ? `${container.namespace}/${container.pod_name}/${name}` : name;
}

function whose(profile: Profile): string {
  const names = profile.containers.map(nameOf).filter(Boolean);
  return names.length === 0 ? "host" : names.length > 2 ? `${names.length} containers` : names.join(", ");
}

function lost(profile: Profile): number {
  return Object.values(profile.losses).reduce((sum, n) => sum + n, 0);
}

export function Profiles(props: { place: Place }) {
  const { place } = props;
  const { query } = place;
  const range = rangeOf(query);
  const filter = Object.fromEntries(NAMES.map((name) => [name, query.get(name)]));
  const path = at("/api/v1/profiles", { ...filter, from: range.from, to: range.to, limit: PAGE });
  const loaded = useLoad<List<Profile>>(path, range.to ? 0 : REFRESH_MS);
  return (
    <>
      <div class="head">
        <h1>Profiles</h1>
        <span class="grow" />
        <RangeChoice place={place} />
        <a class="button main" href="/tasks/new">profile something</a>
      </div>
      <div class="filters" role="search">
        {NAMES.map((name) => (
          <input key={`${name}${query.get(name) ?? ""}`} aria-label={name} placeholder={name.replace("_id", "")} defaultValue={query.get(name) ?? ""} class={query.get(name) ? "set" : ""} spellcheck={false}
            onChange={(event) => go(at("/profiles", changed(query, { [name]: event.currentTarget.value.trim() })))} />
        ))}
      </div>
      <Trouble problem={loaded.problem} what="profiles" />
      {loaded.data && <Table key={path} path={path} first={loaded.data} range={rangeText(range)} />}
    </>
  );
}

function Table(props: { path: string; first: List<Profile>; range: string }) {
  const [older, setOlder] = useState<List<Profile> | null>(null);
  const items = [...props.first.items, ...(older?.items ?? [])];
  const cursor = older ? older.next_cursor : props.first.next_cursor;
  const more = async () => {
    const next = await get<List<Profile>>(`${props.path}&cursor=${encodeURIComponent(cursor ?? "")}`);
    setOlder({ items: [...(older?.items ?? []), ...next.items], next_cursor: next.next_cursor });
  };
  if (items.length === 0) {
    return (
      <section class="panel">
        <Empty title={`No profile in the ${props.range}`}>
          <p>A task makes them: choose a tool that profiles, and a node, container or process.</p>
          <a class="button" href="/tasks/new">start one</a>
        </Empty>
      </section>
    );
  }
  return (
    <section class="panel scroll">
      <table>
        <thead><tr><th>time</th><th>unit</th><th>node</th><th>of</th><th class="num">length</th><th class="num">samples</th><th class="num">total</th><th class="num">lost detail</th><th class="num">size</th><th>task</th></tr></thead>
        <tbody>
          {items.map((profile) => (
            <tr key={profile.id} class="link" onClick={() => go(`/profiles/${profile.id}`)}>
              <td class="nowrap"><a href={`/profiles/${profile.id}`}><Clock time={profile.time} /></a> <span class="faint"><Ago time={profile.time} /></span></td>
              <td>{profile.unit} <span class="faint">{profile.type}</span></td>
              <td>{profile.node}</td>
              <td title={profile.containers.map((container) => `${nameOf(container)} ${container.id ?? ""}`).join("\n")}>{whose(profile)}</td>
              <td class="num">{seconds(profile.duration_seconds)}</td>
              <td class="num">{count(profile.samples)}</td>
              <td class="num">{valueText(profile.total, profile.value_unit)}</td>
              <td class={`num ${lost(profile) ? "warn" : "faint"}`} title={Object.entries(profile.losses).map(([cause, n]) => `${cause}: ${n}`).join("\n")}>{count(lost(profile))}</td>
              <td class="num dim">{bytes(profile.bytes)}</td>
              <td>{profile.task_id && <a class="mono" href={`/tasks/${profile.task_id}`}>{profile.task_id.slice(-12)}</a>}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {cursor && <div class="body"><button onClick={() => void more()}>older ones</button></div>}
    </section>
  );
}

export function ProfileView(props: { id: string }) {
  const path = `/api/v1/profiles/${encodeURIComponent(props.id)}`;
  const loaded = useLoad<Profile>(path);
  const profile = loaded.data;
  return (
    <>
      <div class="head">
        <h1><a class="dim" href="/profiles">Profiles</a> / {profile ? `${profile.unit} of ${profile.node}` : props.id}</h1>
      </div>
      <Trouble problem={loaded.problem} what="this profile" />
      {profile && (
        <section class="panel"><div class="body row">
          <span><Clock time={profile.time} /> <span class="dim">for {seconds(profile.duration_seconds)}</span></span>
          <span class="dim">node <a href={`/nodes/${encodeURIComponent(profile.node)}`}>{profile.node}</a></span>
          <span class="dim">of {whose(profile)}</span>
          <span class="dim">{count(profile.samples)} samples, {valueText(profile.total, profile.value_unit)}</span>
          {Object.entries(profile.losses).filter(([, n]) => n > 0).map(([cause, n]) => <span key={cause} class="tag warn">{cause} {count(n)}</span>)}
          {profile.task_id && <a href={`/tasks/${profile.task_id}`}>its task</a>}
        </div></section>
      )}
      {profile && <ProfileResult path={path} name={`${profile.unit}-${profile.node}-${profile.id}`} title="Time by stack" />}
    </>
  );
}
