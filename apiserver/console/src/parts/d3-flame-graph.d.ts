// The part of the library's interface that is used.
declare module "d3-flame-graph" {
  import type { Selection } from "d3-selection";

  export interface Frame<T> {
    data: T;
    value: number;
    highlight?: boolean;
    parent: Frame<T> | null;
    x0: number;
    x1: number;
  }

  export interface FlameGraph<T> {
    (selection: Selection<HTMLElement, T, null, undefined>): void;
    width(pixels: number): FlameGraph<T>;
    cellHeight(pixels: number): FlameGraph<T>;
    minFrameSize(pixels: number): FlameGraph<T>;
    transitionDuration(ms: number): FlameGraph<T>;
    inverted(yes: boolean): FlameGraph<T>;
    selfValue(yes: boolean): FlameGraph<T>;
    sort(yes: boolean): FlameGraph<T>;
    setColorMapper(map: (frame: Frame<T>, original: string) => string): FlameGraph<T>;
    setLabelHandler(label: (frame: Frame<T>) => string): FlameGraph<T>;
    setSearchMatch(match: (frame: Frame<T>, term: string) => boolean): FlameGraph<T>;
    setSearchHandler(tell: (frames: Frame<T>[], sum: number, total: number) => void): FlameGraph<T>;
    onHover(tell: (frame: Frame<T>) => void): FlameGraph<T>;
    onClick(tell: (frame: Frame<T>) => void): FlameGraph<T>;
    search(term: string): void;
    clear(): void;
    resetZoom(): void;
    update(): void;
    destroy(): void;
  }

  export default function flamegraph<T>(): FlameGraph<T>;
}
