// What is wanted of the units of all nodes: its versions, and what each node makes of it.
import { useState } from "preact/hooks";
import { Problem, send } from "../api";
import { count } from "../format";
import { Empty, Trouble } from "../parts/notice";
import { Ago } from "../parts/time";
import type { Configuration, List, NodeSummary } from "../types";
import { useLoad } from "../use";

const REFRESH_MS = 3000;
const PATH = "/api/v1/configuration";

function textOf(version: Configuration): string {
  return JSON.stringify({ defaults: version.defaults, overrides: version.overrides }, null, 2);
}

export function ConfigurationView() {
  const loaded = useLoad<Configuration>(PATH, REFRESH_MS);
  const versions = useLoad<List<Configuration>>(`${PATH}/versions`, REFRESH_MS);
  const nodes = useLoad<List<NodeSummary>>("/api/v1/nodes", REFRESH_MS);
  const reload = () => {
    loaded.reload();
    versions.reload();
    nodes.reload();
  };
  return (
    <>
      <div class="head">
        <h1>Configuration</h1>
        {loaded.data && <span class="tag">version {loaded.data.version}</span>}
        {loaded.data?.created_time && <span class="dim"><Ago time={loaded.data.created_time} /> {loaded.data.comment}</span>}
      </div>
      <Trouble problem={loaded.problem} what="the configuration" />
      {nodes.data && <Reception nodes={nodes.data.items} />}
      {loaded.data && <Editor key={loaded.data.version} version={loaded.data} reload={reload} />}
      {versions.data && <Versions versions={versions.data.items} reload={reload} />}
    </>
  );
}

function Reception(props: { nodes: NodeSummary[] }) {
  const of = (state: string) => props.nodes.filter((node) => node.configuration.state === state);
  const refused = of("refused");
  const pending = of("pending");
  return (
    <section class="panel">
      <header><h2>What the nodes make of it</h2><span class="dim">{count(of("applied").length)} applied, {count(refused.length)} refused, {count(pending.length)} pending</span></header>
      {refused.length + pending.length === 0 ? <Empty title="Every node has taken it" /> : (
        <table>
          <thead><tr><th>node</th><th>state</th><th class="num">version</th><th>unit</th><th>reason</th></tr></thead>
          <tbody>
            {refused.flatMap((node) => node.configuration.refused.map((one) => (
              <tr key={node.node + one.unit}>
                <td><a href={`/nodes/${encodeURIComponent(node.node)}`}>{node.node}</a></td><td class="bad">refused</td>
                <td class="num">{node.configuration.version}</td><td>{one.unit}</td><td>{one.reason}</td>
              </tr>
            )))}
            {pending.map((node) => (
              <tr key={node.node}>
                <td><a href={`/nodes/${encodeURIComponent(node.node)}`}>{node.node}</a></td><td class="warn">pending</td>
                <td class="num">{node.configuration.version}</td><td /><td class="dim">{node.connected ? "it has not answered yet" : "it is not connected"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

// A change is of the version that was read: one of somebody else in between is not overwritten.
function Editor(props: { version: Configuration; reload: () => void }) {
  const { version } = props;
  const [text, setText] = useState(textOf(version));
  const [comment, setComment] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const changed = text !== textOf(version);
  const save = async (event: Event) => {
    event.preventDefault();
    try {
      const document = JSON.parse(text) as object;
      await send("PUT", PATH, { ...document, comment, version: version.version });
      props.reload();
    } catch (error) {
      setProblem(error instanceof Problem ? error : new Problem(422, String(error), "document", "JSON"));
    }
  };
  return (
    <form class="panel" onSubmit={(event) => void save(event)}>
      <header><h2>Document</h2><span class="dim">defaults, and overrides by patterns of nodes, regions and kernels</span></header>
      <div class="body">
        <textarea aria-label="document" class="mono" rows={Math.min(30, text.split("\n").length + 1)} spellcheck={false} value={text}
          onInput={(event) => setText(event.currentTarget.value)} />
        <div class="row">
          <input class="grow" type="text" aria-label="comment" placeholder="why" maxLength={1000} value={comment} onInput={(event) => setComment(event.currentTarget.value)} />
          <button type="button" disabled={!changed} onClick={() => setText(textOf(version))}>reset</button>
          <button class="main" disabled={!changed}>put in force</button>
        </div>
      </div>
      <Trouble problem={problem} what="refused" />
    </form>
  );
}

function Versions(props: { versions: Configuration[]; reload: () => void }) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const back = (version: number) => void send("POST", `${PATH}/rollback`, { version }).then(props.reload, (error: unknown) =>
    setProblem(error instanceof Problem ? error : new Problem(0, String(error))));
  return (
    <section class="panel">
      <header><h2>Versions</h2><span class="dim">the last 100</span></header>
      <Trouble problem={problem} what="back" />
      {props.versions.length === 0 ? <Empty title="Nobody has configured anything"><p>The units run as their collectors were started.</p></Empty> : (
        <table>
          <thead><tr><th class="num">version</th><th>when</th><th>why</th><th>document</th><th /></tr></thead>
          <tbody>
            {props.versions.map((version, at) => (
              <tr key={version.version}>
                <td class="num">{version.version}</td><td><Ago time={version.created_time ?? ""} /></td><td>{version.comment}</td>
                <td><details><summary class="dim">{Object.keys(version.defaults).length} units by default, {version.overrides.length} overrides</summary><pre class="raw">{textOf(version)}</pre></details></td>
                <td>{at === 0 ? <span class="good">in force</span> : <button onClick={() => back(version.version)}>back to {version.version}</button>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
