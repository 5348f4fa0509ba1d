// Events over time as stacked bars. A click opens what a bar counts, a drag chooses a range.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clock, count, day } from "../format";
import { tracerColor, tracerVariable } from "../palette";
import { color } from "../theme";
import type { EventCounts } from "../types";
import { useTheme } from "../use";
import { Kind } from "./kind";

interface Stacked {
  tracers: string[];  // the first one on top
  totals: number[];
  aligned: uPlot.AlignedData;  // seconds, then for each tracer its height with all below it
}

// One OOM kill beside a thousand changes of devices must be seen: what is not nothing is drawn this
// high at least. The words (legend, pointer) have the numbers as they are.
const LEAST_PIXELS = 3;

function stack(counts: EventCounts, height: number): Stacked {
  const sums = new Map<string, number>();
  for (const item of counts.items) {
    for (const [tracer, n] of Object.entries(item.counts)) sums.set(tracer, (sums.get(tracer) ?? 0) + n);
  }
  const tracers = [...sums.keys()].sort((a, b) => (sums.get(a) ?? 0) - (sums.get(b) ?? 0) || (a < b ? -1 : 1));
  const highest = Math.max(...counts.items.map((item) => Object.values(item.counts).reduce((a, b) => a + b, 0)));
  const least = (LEAST_PIXELS / height) * highest;
  const drawn = (n: number | undefined) => (n ? Math.max(n, least) : 0);
  const columns = tracers.map((_, k) =>
    counts.items.map((item) => tracers.slice(k).reduce((sum, tracer) => sum + drawn(item.counts[tracer]), 0)),
  );
  const times = counts.items.map((item) => Date.parse(item.time) / 1000);
  return { tracers, totals: tracers.map((t) => sums.get(t) ?? 0), aligned: [times, ...columns] };
}

interface Hover {
  index: number;
  left: number;
}

interface Props {
  counts: EventCounts;
  height: number;
  hrefOf: (tracer: string) => string;  // of the legend
  onRange: (fromMs: number, toMs: number) => void;
}

export function Bars(props: Props) {
  const { counts, height } = props;
  const plot = useRef<HTMLDivElement>(null);
  const [hover, setHover] = useState<Hover | null>(null);
  const theme = useTheme();
  const onRange = useRef(props.onRange);
  onRange.current = props.onRange;
  const stacked = stack(counts, height);
  const colors = stacked.tracers.map(tracerVariable).join();
  const step = counts.step_seconds;

  useEffect(() => {
    const place = plot.current;
    if (!place) return;
    const chart = new uPlot(options(place.clientWidth, height, stacked, step, setHover, (from, to) => onRange.current(from, to)),
      stacked.aligned, place);
    const resize = new ResizeObserver(() => chart.setSize({ width: place.clientWidth, height }));
    resize.observe(place);
    return () => {
      resize.disconnect();
      chart.destroy();
    };
  }, [counts, height, theme, colors]);

  return (
    <>
      <div class="chart">
        <div class="plot" ref={plot} role="img" aria-label={`${count(stacked.totals.reduce((a, b) => a + b, 0))} events over time`} />
        {hover && <Tip hover={hover} counts={counts} tracers={stacked.tracers} width={plot.current?.clientWidth ?? 0} />}
      </div>
      <div class="legend">
        {[...stacked.tracers].reverse().map((tracer, i) => (
          <a key={tracer} href={props.hrefOf(tracer)}>
            <Kind tracer={tracer} /> <b>{count(stacked.totals[stacked.tracers.length - 1 - i] ?? 0)}</b>
          </a>
        ))}
      </div>
    </>
  );
}

function Tip(props: { hover: Hover; counts: EventCounts; tracers: string[]; width: number }) {
  const { hover, counts } = props;
  const item = counts.items[hover.index];
  if (!item) return null;
  const from = new Date(item.time);
  const to = new Date(from.getTime() + counts.step_seconds * 1000);
  const kinds = props.tracers.filter((tracer) => item.counts[tracer]).reverse();
  const right = hover.left > props.width / 2;
  return (
    <div class="hover" style={right ? { right: `${props.width - hover.left + 24}px` } : { left: `${hover.left + 24}px` }}>
      <div class="dim nowrap">{day(from)} {clock(from, false)} – {clock(to, false)}</div>
      <table>
        <tbody>
          {kinds.map((tracer) => (
            <tr key={tracer}><td><Kind tracer={tracer} /></td><td class="num">{count(item.counts[tracer] ?? 0)}</td></tr>
          ))}
        </tbody>
      </table>
      {kinds.length === 0 && <div class="dim">no events</div>}
    </div>
  );
}

const DAY_SECONDS = 86400;
const CLICK_PIXELS = 4;

function options(width: number, height: number, stacked: Stacked, step: number, setHover: (hover: Hover | null) => void,
    choose: (from: number, to: number) => void): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: color("--dim"), font: "11px system-ui, sans-serif",
    grid: { stroke: color("--line"), width: 1 }, ticks: { show: false },
  };
  const times = stacked.aligned[0] as number[];
  const first = times[0] ?? 0;
  const end = (times[times.length - 1] ?? 0) + step;
  const long = end - first > 2 * DAY_SECONDS;
  const label = (time: number, apart: number) => {
    const date = new Date(time * 1000);
    const text = clock(date, false).slice(0, apart < 60 ? 8 : 5);
    return long ? `${day(date).slice(5)} ${text}` : text;
  };
  return {
    width, height, legend: { show: false },
    scales: { x: { time: true, range: () => [first, end] }, y: { range: (_, __, most) => [0, Math.max(most, 4) * 1.05] } },
    axes: [
      { ...axis, grid: { show: false }, size: 26, space: long ? 90 : 70,
        values: (_, splits, __, ___, apart) => splits.map((time) => label(time, apart)) },
      { ...axis, size: 44, space: 24, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 1e6, 1e7],
        values: (_, splits) => splits.map(count) },
    ],
    series: [{}, ...stacked.tracers.map((tracer) => ({
      fill: tracerColor(tracer), stroke: "transparent", width: 0, points: { show: false },
      ...(uPlot.paths.bars ? { paths: uPlot.paths.bars({ size: [0.86, 42], align: 1 }) } : {}),
    }))],
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
    hooks: {
      setCursor: [(chart) => {
        // The bar under the pointer, which begins at its time, and not the nearest time.
        const left = chart.cursor.left ?? -1;
        const index = left < 0 ? -1 : Math.floor((chart.posToVal(left, "x") - first) / step);
        setHover(index < 0 || index >= times.length ? null : { index, left: left + chart.bbox.left / devicePixelRatio });
      }],
      setSelect: [(chart) => {
        if (chart.select.width < CLICK_PIXELS) return;
        const from = chart.posToVal(chart.select.left, "x");
        const to = chart.posToVal(chart.select.left + chart.select.width, "x");
        chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        choose(Math.floor(from) * 1000, Math.ceil(to) * 1000);
      }],
      ready: [(chart) => {
        chart.over.addEventListener("click", (event) => {
          const index = Math.floor((chart.posToVal(event.offsetX, "x") - first) / step);
          const time = times[index];
          if (time !== undefined && chart.select.width < CLICK_PIXELS) choose(time * 1000, (time + step) * 1000);
        });
      }],
    },
  };
}
