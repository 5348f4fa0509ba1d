// A flame graph with search and zoom, and beside it what is hottest.
import flamegraph, { type FlameGraph as Chart, type Frame } from "d3-flame-graph";
import { select } from "d3-selection";
import { useEffect, useRef, useState } from "preact/hooks";
import { hottest, treeOf, valueText, type FlameNode } from "../flame";
import { percent } from "../format";
import { color } from "../theme";
import type { FlameGraph } from "../types";
import { useKeys, useTheme } from "../use";
import { Empty } from "./notice";

const ROW_PIXELS = 18;
const SMALLEST_PIXELS = 0.8;
const HOTTEST = 12;

// One hue for the kernel, one for programs; neighbours differ a little.
function shade(frame: Frame<FlameNode>): string {
  if (frame.highlight) return color("--flame-found");
  const { name, kind } = frame.data;
  if (!kind) return color("--flame-root");
  let hash = 0;
  for (const c of name) hash = (31 * hash + c.charCodeAt(0)) >>> 0;
  const [hue, saturation, light] = color(`--flame-${kind}`).split(" ").map(parseFloat);
  return `hsl(${(hue ?? 0) + (hash % 17) - 8} ${saturation}% ${(light ?? 60) + (hash % 7) - 3}%)`;
}

function describe(frame: Frame<FlameNode>, unit: string, total: number): string {
  const { name, value, self, kind } = frame.data;
  return `${name}${kind ? ` (${kind})` : ""}: ${valueText(value, unit)}, ${percent(value / total)}; itself ${valueText(self, unit)}`;
}

export function Flame(props: { graph: FlameGraph }) {
  const { graph } = props;
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<Chart<FlameNode> | null>(null);
  const [term, setTerm] = useState("");
  const [status, setStatus] = useState("");
  const [found, setFound] = useState("");
  const [flipped, setFlipped] = useState(false);
  const theme = useTheme();
  const total = graph.items[0]?.value ?? 0;

  useEffect(() => {
    const place = box.current;
    const tree = treeOf(graph);
    if (!place || !tree) return;
    const made = flamegraph<FlameNode>().width(place.clientWidth).cellHeight(ROW_PIXELS).minFrameSize(SMALLEST_PIXELS)
      .transitionDuration(matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 150)
      .inverted(!flipped).sort(true).setColorMapper(shade)
      .setLabelHandler((frame) => describe(frame, graph.unit, total))
      .setSearchMatch((frame, text) => text !== "" && frame.data.name.toLowerCase().includes(text.toLowerCase()))
      .setSearchHandler((frames, sum) => setFound(`${frames.length} frames, ${percent(sum / total)} of the total`))
      .onHover((frame) => setStatus(describe(frame, graph.unit, total)));
    made(select(place).datum(tree) as never);
    chart.current = made;
    if (term) made.search(term);
    const resize = new ResizeObserver(() => made.width(place.clientWidth).update());
    resize.observe(place);
    return () => {
      resize.disconnect();
      made.destroy();
      chart.current = null;
    };
  }, [graph, theme, flipped]);

  const search = (text: string) => {
    setTerm(text);
    if (text) return chart.current?.search(text);
    setFound("");
    chart.current?.clear();
  };
  useKeys({
    "/": () => document.querySelector<HTMLInputElement>("input[name=frames]")?.focus(),
    Escape: () => {
      if (document.activeElement instanceof HTMLInputElement) document.activeElement.blur();
      else if (term) search("");
      else chart.current?.resetZoom();
    },
  });
  if (total === 0) {
    return <Empty title="Nothing was sampled"><p>What was profiled did not run on a CPU during this time.</p></Empty>;
  }
  return (
    <>
      <div class="body row">
        <input name="frames" aria-label="search frames" placeholder="search functions  /" value={term} spellcheck={false}
          onInput={(event) => search(event.currentTarget.value)} />
        <span class="dim">{found}</span>
        <span class="grow" />
        <Key />
        <button onClick={() => setFlipped(!flipped)}>{flipped ? "root on top" : "root at the bottom"}</button>
        <button onClick={() => chart.current?.resetZoom()} title="Esc">reset zoom</button>
      </div>
      <div class="flame">
        <div class="flame-status mono" role="status">{status || `${valueText(total, graph.unit)} in total; a click zooms in`}</div>
        <div ref={box} class="flame-graph" />
      </div>
      <Hottest graph={graph} total={total} search={search} />
    </>
  );
}

function Key() {
  return (
    <>
      <span class="chip"><i style={{ "--mark": "hsl(var(--flame-user))" }} />program</span>
      <span class="chip"><i style={{ "--mark": "hsl(var(--flame-kernel))" }} />kernel</span>
    </>
  );
}

function Hottest(props: { graph: FlameGraph; total: number; search: (text: string) => void }) {
  const { graph, total } = props;
  return (
    <details open>
      <summary class="body">hottest functions, by what they used themselves</summary>
      <table>
        <tbody>
          {hottest(graph, HOTTEST).map((hot) => (
            <tr key={hot.kind + hot.name} class="link" onClick={() => props.search(hot.name)}>
              <td class="num" style={{ width: "1%" }}>{percent(hot.self / total)}</td>
              <td class="num" style={{ width: "1%" }}>{valueText(hot.self, graph.unit)}</td>
              <td style={{ width: "120px" }}><div class="bar" style={{ marginTop: "6px" }}><i style={{ width: `${(100 * hot.self) / total}%` }} /></div></td>
              <td class="mono cut">{hot.name} <span class="faint">{hot.kind}</span></td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
