import { useRef } from "preact/hooks";
import { Empty } from "./parts/notice";
import { go, usePlace, type Place } from "./route";
import { toggleTheme } from "./theme";
import type { Unit } from "./types";
import { useKeys, useTheme, useUnits } from "./use";
import { ConfigurationView } from "./views/configuration";
import { Events } from "./views/events";
import { NewTask } from "./views/new_task";
import { NodeView } from "./views/node";
import { Nodes } from "./views/nodes";
import { Overview } from "./views/overview";
import { Profiles, ProfileView } from "./views/profiles";
import { TaskView } from "./views/task";
import { Tasks } from "./views/tasks";

const VIEWS = [
  { path: "/", name: "Overview", key: "o" },
  { path: "/events", name: "Events", key: "e" },
  { path: "/tasks", name: "Tasks", key: "t" },
  { path: "/profiles", name: "Profiles", key: "p" },
  { path: "/nodes", name: "Nodes", key: "n" },
  { path: "/configuration", name: "Configuration", key: "c" },
];

const KEYS: [string, string][] = [
  ...VIEWS.map((view): [string, string] => [`g ${view.key}`, view.name]),
  ["j  k", "next, previous event"], ["Esc", "close what is open"], ["/", "search"], ["l", "live on, off"],
  ["d", "dark, light"], ["?", "this list"],
];

export function App() {
  const place = usePlace();
  const units = useUnits();
  const keys = useRef<HTMLDialogElement>(null);
  const help = () => (keys.current?.open ? keys.current.close() : keys.current?.showModal());
  useKeys({
    ...Object.fromEntries(VIEWS.map((view) => [`g ${view.key}`, () => go(view.path)])),
    d: toggleTheme, "?": help,
  });
  return (
    <>
      <Top place={place} help={help} />
      <main>{view(place, units)}</main>
      <dialog ref={keys} aria-label="keys">
        <h2>Keys</h2>
        <table><tbody>{KEYS.map(([key, what]) => <tr key={key}><td><kbd>{key}</kbd></td><td>{what}</td></tr>)}</tbody></table>
        <form method="dialog"><button>close</button></form>
      </dialog>
    </>
  );
}

function Top(props: { place: Place; help: () => void }) {
  const theme = useTheme();
  const section = `/${props.place.segments[0] ?? ""}`;
  return (
    <header class="top">
      <a class="brand" href="/"><img src="/favicon.svg" alt="" />HUATUO</a>
      <nav aria-label="views">
        {VIEWS.map((view) => (
          <a key={view.path} href={view.path} {...(view.path === section ? { "aria-current": "page" as const } : {})} title={`g ${view.key}`}>{view.name}</a>
        ))}
      </nav>
      <div class="end">
        <a class="dim" href="/metrics" target="_blank">metrics</a>
        <a class="dim" href="/api/v1/openapi.json" target="_blank">API</a>
        <button class="plain" onClick={toggleTheme} title="d" aria-label="dark or light">{theme === "dark" ? "☾" : "☀"}</button>
        <button class="plain" onClick={props.help} title="keys" aria-label="keys">?</button>
      </div>
    </header>
  );
}

function view(place: Place, units: Unit[]) {
  const [section, name] = place.segments;
  switch (section) {
    case undefined: return <Overview place={place} />;
    case "events": return <Events place={place} units={units} />;
    case "tasks":
      if (name === "new") return <NewTask place={place} units={units} />;
      return name ? <TaskView key={name} id={name} units={units} /> : <Tasks place={place} />;
    case "profiles": return name ? <ProfileView key={name} id={name} /> : <Profiles place={place} />;
    case "configuration": return <ConfigurationView />;
    case "nodes": return name ? <NodeView key={name} name={name} /> : <Nodes place={place} />;
    default:
      return <section class="panel"><Empty title="There is no such view"><a href="/">Overview</a></Empty></section>;
  }
}
