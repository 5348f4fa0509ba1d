// A flame graph of a task or a profile, and its files.
import { useState } from "preact/hooks";
import { download, Problem } from "../api";
import { at } from "../route";
import type { FlameGraph } from "../types";
import { useLoad } from "../use";
import { Flame } from "./flame";
import { Empty, Trouble } from "./notice";

const FILES: [string, string, string][] = [
  ["pprof", "pb.gz", "for `go tool pprof` and most viewers"],
  ["folded", "folded", "one stack a line, for flamegraph.pl"],
  ["json", "json", "as the API has it"],
];

// `path` answers ?format=; `name` begins the names of files.
export function ProfileResult(props: { path: string; name: string; title: string }) {
  const loaded = useLoad<FlameGraph>(at(props.path, { format: "flamegraph" }));
  return (
    <section class="panel">
      <header>
        <h2>{props.title}</h2>
        <span class="end"><Files path={props.path} name={props.name} formats={FILES} /></span>
      </header>
      <Trouble problem={loaded.problem} what="flame graph" />
      {loaded.data ? <Flame graph={loaded.data} /> : !loaded.problem && <Empty title="…" />}
    </section>
  );
}

export function Files(props: { path: string; name: string; formats: [string, string, string][] }) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const fetchFile = (format: string, suffix: string) =>
    download(at(props.path, { format }), `${props.name}.${suffix}`).then(() => setProblem(null),
      (error: unknown) => setProblem(error instanceof Problem ? error : new Problem(0, String(error))));
  return (
    <>
      {problem && <span class="bad">{problem.detail}</span>}
      <span class="dim">download</span>
      {props.formats.map(([format, suffix, help]) => (
        <button key={format} title={help} data-format={format} onClick={() => void fetchFile(format, suffix)}>{format}</button>
      ))}
    </>
  );
}

export const EVENT_FILES: [string, string, string][] = [["json", "json", "the events of this task"]];
