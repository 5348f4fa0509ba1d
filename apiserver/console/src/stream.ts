// Server-sent events by fetch: EventSource can send no token.
import { Problem, request } from "./api";

export interface Message {
  id: string;
  event: string;
  data: string;
}

export type StreamState = "connecting" | "live" | "paused" | "ended";

export interface Listener {
  onMessage: (message: Message) => void;
  onState?: (state: StreamState, problem?: Problem) => void;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

function parse(block: string): Message {
  const message: Message = { id: "", event: "message", data: "" };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, "");
    const name = line.slice(0, colon);
    if (name === "id") message.id = value;
    else if (name === "event") message.event = value;
    else if (name === "data") message.data += message.data ? `\n${value}` : value;
  }
  return message;
}

async function read(body: ReadableStream<Uint8Array>, take: (message: Message) => void): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += decoder.decode(value, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) take(parse(block));
  }
}

// Follows until the returned function is called, or the server says that there is nothing to come
// (204, 404). After a break it goes on behind the last id that it saw. A hidden page does not
// listen: a browser allows few connections to one server, and pages stay open for days.
export function follow(path: string, listener: Listener): () => void {
  let lastId = "";
  let wait = FIRST_WAIT_MS;
  let stopped = false;
  let timer = 0;
  let abort = new AbortController();
  const state = (now: StreamState, problem?: Problem) => listener.onState?.(now, problem);

  const take = (message: Message) => {
    if (message.id) lastId = message.id;
    if (message.data) listener.onMessage(message);
  };

  const fail = (error: unknown) => {
    const problem = error instanceof Problem ? error : undefined;
    if (problem && [400, 401, 403, 404, 422].includes(problem.status)) {
      stopped = true;
      return state("ended", problem);
    }
    state("connecting", problem);
    timer = window.setTimeout(() => void run(), wait);
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  };

  const run = async () => {
    abort = new AbortController();
    const mine = abort;
    try {
      const headers = lastId ? { "Last-Event-ID": lastId } : undefined;
      const reply = await request(path, { signal: mine.signal, ...(headers ? { headers } : {}) });
      if (reply.status === 204 || !reply.body) {
        stopped = true;
        return state("ended");
      }
      state("live");
      wait = FIRST_WAIT_MS;
      await read(reply.body, take);
      if (!stopped && !mine.signal.aborted) fail(undefined);
    } catch (error) {
      if (!stopped && !mine.signal.aborted) fail(error);
    }
  };

  const onVisibility = () => {
    if (stopped) return;
    clearTimeout(timer);
    abort.abort();
    if (document.hidden) return state("paused");
    state("connecting");
    void run();
  };

  document.addEventListener("visibilitychange", onVisibility);
  if (document.hidden) state("paused");
  else void run();
  return () => {
    stopped = true;
    document.removeEventListener("visibilitychange", onVisibility);
    clearTimeout(timer);
    abort.abort();
  };
}
