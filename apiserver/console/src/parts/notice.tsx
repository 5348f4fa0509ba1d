import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Problem, saveToken } from "../api";

// What went wrong and what to do about it.
export function Trouble(props: { problem: Problem | null; what: string }) {
  const { problem } = props;
  if (!problem) return null;
  if (problem.status === 401) return <Login />;
  return (
    <div class="notice bad" role="alert">
      <strong>{props.what}: {problem.detail}</strong>
      <span>{advice(problem)}</span>
    </div>
  );
}

function advice(problem: Problem): string {
  if (problem.accepted) return `${problem.parameter ?? "accepted"}: ${problem.accepted}`;
  if (problem.status === 0) return "Is huatuo-apiserver running? This page goes on trying.";
  if (problem.status === 403) return "Ask for a token with a higher role.";
  if (problem.status === 404) return "It may have been removed by retention.";
  if (problem.status >= 500) return "See /readyz and the apiserver's log. This page goes on trying.";
  return "";
}

function Login() {
  const [token, setToken] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    saveToken(token.trim());
    location.reload();
  };
  return (
    <form class="notice warn" onSubmit={submit}>
      <label for="token"><strong>This server asks for a token.</strong></label>
      <input id="token" type="password" autocomplete="off" placeholder="bearer token" value={token}
        onInput={(event) => setToken(event.currentTarget.value)} />
      <button class="main" disabled={!token.trim()}>Use it</button>
      <span class="dim">It is kept until this tab is closed. Whoever runs the server makes one with huatuo-apiserver token create.</span>
    </form>
  );
}

export function Empty(props: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <strong>{props.title}</strong>
      {props.children}
    </div>
  );
}
