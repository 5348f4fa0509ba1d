// Requests to the apiserver, and what can go wrong with them.

// An error as RFC 9457 describes it; status 0: no answer.
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
    readonly parameter?: string,
    readonly accepted?: string,
  ) {
    super(detail);
  }
}

const TOKEN = "huatuo-token";

export function saveToken(token: string): void {
  sessionStorage.setItem(TOKEN, token);
}

function authorization(): Record<string, string> {
  const token = sessionStorage.getItem(TOKEN);
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function problemOf(reply: Response): Promise<Problem> {
  try {
    const body = (await reply.json()) as { detail?: string; parameter?: string; accepted?: string };
    return new Problem(reply.status, body.detail ?? reply.statusText, body.parameter, body.accepted);
  } catch {
    return new Problem(reply.status, `${reply.status} ${reply.statusText}`);
  }
}

export async function request(path: string, options: RequestInit = {}): Promise<Response> {
  let reply: Response;
  try {
    reply = await fetch(path, { ...options, headers: { ...authorization(), ...options.headers } });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(0, "the apiserver does not answer");
  }
  if (!reply.ok) throw await problemOf(reply);
  return reply;
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const reply = await request(path, signal ? { signal } : {});
  return (await reply.json()) as T;
}

export async function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  const reply = await request(path, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  return (text ? JSON.parse(text) : null) as T;
}

// A link cannot carry the token, so that a file is fetched first.
export async function download(path: string, name: string): Promise<void> {
  const blob = await (await request(path)).blob();
  const anchor = document.createElement("a");
  anchor.href = URL.createObjectURL(blob);
  anchor.download = name;
  anchor.click();
  URL.revokeObjectURL(anchor.href);
}
