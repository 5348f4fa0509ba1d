import { PRESETS, rangeOf, rangeText } from "../range";
import { at, changed, go, type Place } from "../route";

export function RangeChoice(props: { place: Place }) {
  const { path, query } = props.place;
  const range = rangeOf(query);
  const choose = (from: string) => go(at(path, changed(query, { from, to: null })));
  const own = range.to !== null || !PRESETS.includes(range.from);
  return (
    <div class="row" role="group" aria-label="range of time">
      {own && <span class="tag accent">{rangeText(range)}</span>}
      <span class="choice">
        {PRESETS.map((preset) => (
          <button key={preset} aria-pressed={!own && preset === range.from} onClick={() => choose(preset)}>
            {preset.slice(1)}
          </button>
        ))}
      </span>
    </div>
  );
}
