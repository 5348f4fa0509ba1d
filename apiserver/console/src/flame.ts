// Flame graphs: from the rows of the API to a tree, and the words for their values.
import { bytes, count, nanoseconds } from "./format";
import type { FlameGraph } from "./types";

export interface FlameNode {
  name: string;
  value: number;
  self: number;
  kind: "kernel" | "user" | "";
  children: FlameNode[];
}

// Rows are depth first, the root first, so that the parent of a row is the last one above it.
export function treeOf(graph: FlameGraph): FlameNode | null {
  const path: FlameNode[] = [];
  for (const item of graph.items) {
    const node: FlameNode = { name: item.label, value: item.value, self: item.self, kind: item.kind ?? "", children: [] };
    path.length = item.level;
    path[item.level - 1]?.children.push(node);
    path.push(node);
  }
  return path[0] ?? null;
}

export function valueText(value: number, unit: string): string {
  if (unit === "nanoseconds") return nanoseconds(value);
  return unit === "bytes" ? bytes(value) : `${count(value)} ${unit}`;
}

// Functions by what they themselves used, wherever they were called from.
export interface Hot {
  name: string;
  kind: string;
  self: number;
}

export function hottest(graph: FlameGraph, most: number): Hot[] {
  const sums = new Map<string, Hot>();
  for (const item of graph.items) {
    if (item.level === 0 || item.self === 0) continue;
    const key = `${item.kind ?? ""} ${item.label}`;
    const hot = sums.get(key) ?? { name: item.label, kind: item.kind ?? "", self: 0 };
    hot.self += item.self;
    sums.set(key, hot);
  }
  return [...sums.values()].sort((a, b) => b.self - a.self).slice(0, most);
}
