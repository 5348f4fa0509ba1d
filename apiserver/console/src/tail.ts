// A list of events that goes on: a page from the store, then what is committed after it.
import { useEffect, useRef, useState } from "preact/hooks";
import { get, Problem } from "./api";
import { at } from "./route";
import { follow, type StreamState } from "./stream";
import type { EventDocument, EventList } from "./types";

const PAGE = 100;
const MOST = 1000;     // rows that are kept
const FLUSH_MS = 200;  // a storm redraws no more often

export interface Tail {
  events: EventDocument[];
  fresh: ReadonlySet<string>;  // ids that came by the stream
  state: StreamState;
  problem: Problem | null;
  loading: boolean;
  more: boolean;     // older ones are in the store
  dropped: boolean;  // the oldest rows were left out for new ones
  older: () => Promise<void>;
}

interface Rows {
  events: EventDocument[];
  cursor: string | null;
  dropped: boolean;
}

function prepend(rows: Rows, arrived: EventDocument[]): Rows {
  const seen = new Set(rows.events.map((event) => event.tracer_id));
  const events = [...arrived.reverse().filter((event) => !seen.has(event.tracer_id)), ...rows.events];
  if (events.length <= MOST) return { ...rows, events };
  return { events: events.slice(0, MOST), cursor: null, dropped: true };
}

// `filter` chooses, `range` (from and to) holds for what is in the store only.
export function useTail(filter: Record<string, string>, range: Record<string, string>, live: boolean): Tail {
  const key = JSON.stringify([filter, range, live]);
  const [rows, setRows] = useState<Rows>({ events: [], cursor: null, dropped: false });
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const [state, setState] = useState<StreamState>("connecting");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [loading, setLoading] = useState(true);
  const newest = useRef(key);
  newest.current = key;

  useEffect(() => {
    const abort = new AbortController();
    let stop = () => {};
    let waiting: EventDocument[] = [];
    let timer = 0;
    const flush = () => {
      const arrived = waiting;
      waiting = [];
      timer = 0;
      setFresh(new Set(arrived.map((event) => event.tracer_id)));
      setRows((old) => prepend(old, arrived));
    };
    const listen = (position: string) => {
      stop = follow(at("/api/v1/events/watch", { ...filter, after: position }), {
        onMessage: (message) => {
          if (message.event !== "event") return;
          waiting.push(JSON.parse(message.data) as EventDocument);
          if (waiting.length > MOST) waiting.shift();
          if (!timer) timer = window.setTimeout(flush, FLUSH_MS);
        },
        onState: (now, trouble) => {
          setState(now);
          setProblem(trouble ?? null);
        },
      });
    };
    const begin = async () => {
      try {
        const list = await get<EventList>(at("/api/v1/events", { ...filter, ...range, limit: PAGE }), abort.signal);
        setRows({ events: list.items, cursor: list.next_cursor, dropped: false });
        setProblem(null);
        setLoading(false);
        if (live) listen(list.newest_position);
        else setState("paused");
      } catch (error) {
        if (abort.signal.aborted) return;
        setLoading(false);
        setProblem(error instanceof Problem ? error : new Problem(0, String(error)));
        if (!(error instanceof Problem) || error.status === 0 || error.status >= 500) timer = window.setTimeout(() => void begin(), 2000);
      }
    };
    setLoading(true);
    setFresh(new Set());
    setState("connecting");
    void begin();
    return () => {
      abort.abort();
      clearTimeout(timer);
      stop();
    };
  }, [key]);

  const older = async () => {
    if (!rows.cursor) return;
    const list = await get<EventList>(at("/api/v1/events", { ...filter, ...range, limit: PAGE, cursor: rows.cursor }));
    if (newest.current !== key) return;
    setRows((old) => ({ ...old, events: [...old.events, ...list.items], cursor: list.next_cursor }));
  };

  return { events: rows.events, fresh, state, problem, loading, more: rows.cursor !== null, dropped: rows.dropped, older };
}
