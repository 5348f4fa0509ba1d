// Dark or light: what the reader chose, else what the system says.
export type Theme = "dark" | "light";

const CHOICE = "huatuo-theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function chosen(): Theme | null {
  const value = localStorage.getItem(CHOICE);
  return value === "dark" || value === "light" ? value : null;
}

export function theme(): Theme {
  return chosen() ?? (system.matches ? "dark" : "light");
}

function apply(): void {
  document.documentElement.dataset["theme"] = theme();
  listeners.forEach((tell) => tell());
}

export function toggleTheme(): void {
  const next: Theme = theme() === "dark" ? "light" : "dark";
  // Back at what the system says, it is followed again.
  if (next === (system.matches ? "dark" : "light")) localStorage.removeItem(CHOICE);
  else localStorage.setItem(CHOICE, next);
  apply();
}

export function startTheme(): void {
  system.addEventListener("change", apply);
  apply();
}

export function onTheme(tell: () => void): () => void {
  listeners.add(tell);
  return () => listeners.delete(tell);
}

// A colour of the style sheet, for what is drawn on a canvas.
export function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
