// Hooks that more than one view needs.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, Problem } from "./api";
import { onTheme, theme } from "./theme";
import type { List, Unit } from "./types";
import { setTracers } from "./palette";

export interface Loaded<T> {
  data: T | null;  // the newest that came, also while a later request fails
  problem: Problem | null;
  reload: () => void;
}

// GET of `path` now and every `everyMs` (0: once), while the page is seen; null asks for nothing.
export function useLoad<T>(path: string | null, everyMs = 0): Loaded<T> {
  const [state, setState] = useState<{ path: string | null; data: T | null; problem: Problem | null }>({
    path, data: null, problem: null,
  });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (path === null) return;
    const abort = new AbortController();
    let timer = 0;
    const ask = async () => {
      try {
        const data = await get<T>(path, abort.signal);
        setState({ path, data, problem: null });
      } catch (error) {
        if (abort.signal.aborted) return;
        const problem = error instanceof Problem ? error : new Problem(0, String(error));
        setState((old) => ({ path, data: old.path === path ? old.data : null, problem }));
      }
      if (everyMs > 0 && !abort.signal.aborted) timer = window.setTimeout(next, everyMs);
    };
    const next = () => {
      if (document.hidden) document.addEventListener("visibilitychange", next, { once: true });
      else void ask();
    };
    void ask();
    return () => {
      abort.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", next);
    };
  }, [path, everyMs, turn]);
  const mine = state.path === path;
  return { data: mine ? state.data : null, problem: mine ? state.problem : null, reload: () => setTurn(turn + 1) };
}

// The last value that was there: keeps a chart on the page while the next one is on its way.
export function useKept<T>(value: T | null): T | null {
  const kept = useRef<T | null>(null);
  if (value !== null) kept.current = value;
  return kept.current;
}

// The units of all nodes; asked for again rarely, since catalogs change with releases only. Colours
// follow their order.
export function useUnits(): Unit[] {
  const units = useLoad<List<Unit>>("/api/v1/units", 60_000).data?.items ?? [];
  setTracers(units.flatMap((unit) => unit.events.map((event) => event.name)));
  return units;
}

let now = Date.now();
const clocks = new Set<(now: number) => void>();
setInterval(() => {
  now = Date.now();
  if (!document.hidden) clocks.forEach((tell) => tell(now));
}, 1000);

// Changes every second.
export function useNow(): number {
  const [value, setValue] = useState(now);
  useEffect(() => {
    clocks.add(setValue);
    return () => void clocks.delete(setValue);
  }, []);
  return value;
}

export function useTheme(): string {
  const [value, setValue] = useState(theme());
  useEffect(() => onTheme(() => setValue(theme())), []);
  return value;
}

// Keys of a view, while no field has the focus. "g e" is a sequence of two.
export function useKeys(keys: Record<string, (event: KeyboardEvent) => void>): void {
  const newest = useRef(keys);
  newest.current = keys;
  useEffect(() => {
    let before = "";
    const press = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
      if (event.ctrlKey || event.metaKey || event.altKey || (typing && event.key !== "Escape")) return;
      const run = newest.current[`${before} ${event.key}`] ?? newest.current[event.key];
      before = event.key;
      if (!run) return;
      event.preventDefault();
      run(event);
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}
