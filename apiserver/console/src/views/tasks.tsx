// Tasks: what people asked nodes to look at, and how far it is.
import { count, seconds } from "../format";
import { TaskTag } from "../parts/kind";
import { Empty, Trouble } from "../parts/notice";
import { Ago } from "../parts/time";
import { at, go, type Place } from "../route";
import type { List, Task, TaskTarget } from "../types";
import { useLoad } from "../use";

const REFRESH_MS = 3000;
const STATES = ["running", "succeeded", "failed"];

export function targetText(target: TaskTarget): string {
  const parts = [
    target.container ? `container ${target.container.slice(0, 12)}` : "",
    target.pid ? `process ${target.pid}` : "",
    target.nodes?.length ? (target.nodes.length > 3 ? `${target.nodes.length} nodes` : target.nodes.join(", ")) : "",
  ];
  return parts.filter(Boolean).join(" on ");
}

export function sumOf(task: Task, what: "events" | "profiles" | "lost"): number {
  return task.nodes.reduce((sum, node) => sum + node[what], 0);
}

export function Tasks(props: { place: Place }) {
  const state = props.place.query.get("state");
  const tasks = useLoad<List<Task>>(at("/api/v1/tasks", { state, limit: 200 }), REFRESH_MS);
  return (
    <>
      <div class="head">
        <h1>Tasks</h1>
        <span class="choice">
          <button aria-pressed={!state} onClick={() => go("/tasks")}>all</button>
          {STATES.map((name) => <button key={name} aria-pressed={state === name} onClick={() => go(at("/tasks", { state: name }))}>{name}</button>)}
        </span>
        <span class="grow" />
        <a class="button main" href="/tasks/new" title="n">start a task</a>
      </div>
      <Trouble problem={tasks.problem} what="tasks" />
      {tasks.data && (
        <section class="panel scroll">
          {tasks.data.items.length === 0
            ? <Empty title={state ? `No task has ${state === "running" ? "this state now" : state}` : "No task yet"}>
                <p>A task asks nodes to run a tool for a while: a CPU profile of a container, dropped packets of one port.</p>
                <a class="button" href="/tasks/new">start one</a>
              </Empty>
            : <TaskTable tasks={tasks.data.items} />}
        </section>
      )}
    </>
  );
}

function TaskTable(props: { tasks: Task[] }) {
  return (
    <table>
      <thead><tr><th>created</th><th>state</th><th>tool</th><th>target</th><th class="num">duration</th><th class="num">profiles</th><th class="num">events</th><th class="num">lost</th><th>reason</th></tr></thead>
      <tbody>
        {props.tasks.map((task) => (
          <tr key={task.id} class="link" onClick={() => go(`/tasks/${task.id}`)}>
            <td><Ago time={task.created_time} /></td>
            <td><TaskTag state={task.state} /></td>
            <td><a href={`/tasks/${task.id}`}>{task.tool}</a></td>
            <td title={task.target.nodes?.join("\n")}>{targetText(task.target)}</td>
            <td class="num">{seconds(task.duration_seconds)}</td>
            <td class="num">{count(sumOf(task, "profiles"))}</td>
            <td class="num">{count(sumOf(task, "events"))}</td>
            <td class={`num ${sumOf(task, "lost") ? "warn" : "faint"}`}>{count(sumOf(task, "lost"))}</td>
            <td class="dim">{task.reason}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
