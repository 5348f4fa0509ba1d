// One task: its progress as it happens, then what it found.
import { useEffect, useState } from "preact/hooks";
import { Problem, send } from "../api";
import { count, seconds } from "../format";
import { EventTable } from "../parts/events";
import { TaskTag } from "../parts/kind";
import { Empty, Trouble } from "../parts/notice";
import { EVENT_FILES, Files, ProfileResult } from "../parts/result";
import { Ago } from "../parts/time";
import { at, go } from "../route";
import { follow } from "../stream";
import type { EventDocument, List, Task, TaskState, Unit } from "../types";
import { useLoad, useNow } from "../use";
import { sumOf, targetText } from "./tasks";

const ENDED: TaskState[] = ["succeeded", "failed", "cancelled", "expired"];
const REFRESH_MS = 2000;

export function TaskView(props: { id: string; units: Unit[] }) {
  const { id } = props;
  const [task, setTask] = useState<Task | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  useEffect(() => {
    const stop = follow(`/api/v1/tasks/${encodeURIComponent(id)}/watch`, {
      onMessage: (message) => {
        if (message.event !== "task") return;
        const now = JSON.parse(message.data) as Task;
        setTask(now);
        if (ENDED.includes(now.state)) stop();
      },
      onState: (_, trouble) => setProblem(trouble ?? null),
    });
    return stop;
  }, [id]);
  // What comes of it is told by the stream: the reply may be older than what the stream has said.
  const cancel = () => void send<Task>("DELETE", `/api/v1/tasks/${id}`).catch((error: unknown) =>
    setProblem(error instanceof Problem ? error : new Problem(0, String(error))));
  const again = task ? at("/tasks/new", {
    tool: task.tool, container: task.target.container, pid: task.target.pid, node: task.target.nodes?.[0],
    filter: typeof task.parameters["filter"] === "string" ? task.parameters["filter"] : null,
  }) : "/tasks/new";
  return (
    <>
      <div class="head">
        <h1><a class="dim" href="/tasks">Tasks</a> / {task ? `${task.tool} of ${targetText(task.target)}` : id}</h1>
        {task && <TaskTag state={task.state} />}
        <span class="grow" />
        {task && !ENDED.includes(task.state) && <button class="bad" onClick={cancel}>cancel</button>}
        {task && <a class="button" href={again}>once more</a>}
      </div>
      <Trouble problem={problem} what="this task" />
      {task && <Progress task={task} />}
      {task && <Result task={task} unit={props.units.find((unit) => unit.name === task.tool)} />}
    </>
  );
}

function Progress(props: { task: Task }) {
  const { task } = props;
  const now = useNow();
  const began = task.started_time ? Date.parse(task.started_time) : null;
  const passed = began === null ? 0 : Math.max(0, ((task.ended_time ? Date.parse(task.ended_time) : now) - began) / 1000);
  const share = task.state === "succeeded" ? 1 : Math.min(1, passed / task.duration_seconds);
  const kind = task.state === "failed" ? "bad" : task.state === "cancelled" || task.state === "expired" ? "warn" : "";
  const parameters = Object.entries(task.parameters);
  return (
    <section class="panel">
      <div class="body row">
        <div class={`bar grow ${kind}`} role="progressbar" aria-valuenow={Math.round(100 * share)}><i style={{ width: `${100 * share}%` }} /></div>
        <span class="num dim">{began === null ? "not started" : `${seconds(Math.floor(Math.min(passed, task.duration_seconds)))} of ${seconds(task.duration_seconds)}`}</span>
        <span class="dim">created <Ago time={task.created_time} /></span>
        {parameters.map(([name, value]) => <span key={name} class="tag mono">{name} {String(value)}</span>)}
      </div>
      {task.reason && <div class="body">{task.reason}</div>}
      <table>
        <thead><tr><th>node</th><th>state</th><th class="num">profiles</th><th class="num">events</th><th class="num">lost</th><th>reason</th></tr></thead>
        <tbody>
          {task.nodes.map((node) => (
            <tr key={node.node}>
              <td><a href={`/nodes/${encodeURIComponent(node.node)}`}>{node.node}</a> {node.container_id && <span class="mono faint">{node.container_id.slice(0, 12)}</span>}</td>
              <td><TaskTag state={node.state} /></td>
              <td class="num">{count(node.profiles)}</td><td class="num">{count(node.events)}</td>
              <td class={`num ${node.lost ? "warn" : "faint"}`}>{count(node.lost)}</td><td class="dim">{node.reason}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Result(props: { task: Task; unit: Unit | undefined }) {
  const { task, unit } = props;
  const path = `/api/v1/tasks/${task.id}/result`;
  const ended = ENDED.includes(task.state);
  if ((unit?.profiles?.length ?? 0) > 0 || sumOf(task, "profiles") > 0) {
    if (sumOf(task, "profiles") > 0) return <ProfileResult key={`${task.state}${sumOf(task, "profiles")}`} path={path} name={`${task.tool}-${task.id}`} title="On-CPU time by stack" />;
    return <section class="panel"><Empty title={ended ? "It found nothing" : "The flame graph appears when the first profile has come"} /></section>;
  }
  return <EventResult task={task} path={path} ended={ended} />;
}

function EventResult(props: { task: Task; path: string; ended: boolean }) {
  const { task, ended } = props;
  const loaded = useLoad<List<EventDocument>>(at(props.path, { format: "json" }), ended ? 0 : REFRESH_MS);
  const events = [...(loaded.data?.items ?? [])].reverse();
  return (
    <section class="panel">
      <header>
        <h2>Events</h2><span class="dim">{loaded.data ? `${count(events.length)}${loaded.data.next_cursor ? ", and more" : ""}` : ""}</span>
        <span class="end"><a href={at("/events", { task: task.id, from: "-7d" })}>under Events</a><Files path={props.path} name={`${task.tool}-${task.id}`} formats={EVENT_FILES} /></span>
      </header>
      <Trouble problem={loaded.problem} what="events" />
      {events.length > 0
        ? <div class="scroll"><EventTable events={events} fresh={new Set()} hrefOf={(event) => `/events/${event.tracer_id}`} onOpen={(event) => go(`/events/${event.tracer_id}`)} /></div>
        : loaded.data && <Empty title={ended ? "It saw no event" : "No event yet"} />}
    </section>
  );
}
