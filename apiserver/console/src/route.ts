// The URL is the state of a view: path and query. Links are plain anchors; a click on one of ours
// changes the history instead of loading the page anew.
import { useEffect, useState } from "preact/hooks";

export interface Place {
  path: string;
  segments: string[];
  query: URLSearchParams;
}

const listeners = new Set<() => void>();

function here(): Place {
  const path = location.pathname;
  const segments = path.split("/").filter(Boolean).map(decodeURIComponent);
  return { path, segments, query: new URLSearchParams(location.search) };
}

export function go(target: string, replace = false): void {
  if (target === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", target);
  listeners.forEach((tell) => tell());
}

export function usePlace(): Place {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const update = () => setPlace(here());
    listeners.add(update);
    addEventListener("popstate", update);
    return () => {
      listeners.delete(update);
      removeEventListener("popstate", update);
    };
  }, []);
  return place;
}

export type Query = Record<string, string | number | null | undefined>;

// A target with the members that have a value.
export function at(path: string, query: Query | URLSearchParams = {}): string {
  const params = query instanceof URLSearchParams ? query : new URLSearchParams();
  if (!(query instanceof URLSearchParams)) {
    for (const [name, value] of Object.entries(query)) {
      if (value !== null && value !== undefined && value !== "") params.set(name, String(value));
    }
  }
  const text = params.toString();
  return text ? `${path}?${text}` : path;
}

// The same query with changes; null removes.
export function changed(query: URLSearchParams, changes: Query): URLSearchParams {
  const next = new URLSearchParams(query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") next.delete(name);
    else next.set(name, String(value));
  }
  return next;
}

// What the server answers itself.
const SERVED = /^\/(api|metrics|federate|healthz|readyz)(\/|$)/;

export function takeLinks(): void {
  document.addEventListener("click", (event) => {
    const anchor = event.target instanceof Element ? event.target.closest("a") : null;
    if (!anchor || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (anchor.origin !== location.origin || anchor.target || anchor.hasAttribute("download")) return;
    if (SERVED.test(anchor.pathname)) return;
    event.preventDefault();
    go(anchor.pathname + anchor.search);
  });
}
