// Numbers and times for people.

const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

function digits(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function bytes(value: number): string {
  let step = 0;
  let rest = value;
  while (Math.abs(rest) >= 1024 && step < BYTES.length - 1) {
    rest /= 1024;
    ++step;
  }
  return step === 0 ? `${value} B` : `${digits(rest)} ${BYTES[step]}`;
}

export function nanoseconds(value: number): string {
  const size = Math.abs(value);
  if (size < 1e3) return `${Number.isInteger(value) ? value : digits(value)} ns`;
  if (size < 1e6) return `${digits(value / 1e3)} µs`;
  if (size < 1e9) return `${digits(value / 1e6)} ms`;
  return seconds(value / 1e9);
}

export function seconds(value: number): string {
  if (value < 0) return `-${seconds(-value)}`;
  if (value < 60) return `${Number.isInteger(value) ? value : digits(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.floor(value % 60)} s`;
  if (value < 86400) return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
  return `${Math.floor(value / 86400)} d ${Math.floor((value % 86400) / 3600)} h`;
}

const GROUPED = new Intl.NumberFormat("en-US", { maximumFractionDigits: 3 });

// 1,234,567: every digit, since it is compared with other tools.
export function count(value: number): string {
  return GROUPED.format(value);
}

export function percent(ratio: number | null | undefined, places = 2): string {
  return ratio === null || ratio === undefined ? "–" : `${(100 * ratio).toFixed(places)}%`;
}

// A value by what its name says that it is.
export function quantity(name: string, value: number): string {
  if (name.endsWith("_bytes")) return bytes(value);
  if (/(_ns|^offtime|^deltatime|^threshold)$/.test(name)) return nanoseconds(value);
  if (name.endsWith("_seconds")) return seconds(value);
  if (name.endsWith("_ms")) return `${value} ms`;
  if (name.endsWith("_ratio")) return percent(value);
  return /(^|_)(pid|tid|cpu|port|sport|dport|index)$/.test(name) ? String(value) : count(value);
}

const two = (value: number) => String(value).padStart(2, "0");

// 14:03:07.123, of the reader's time zone.
export function clock(date: Date, millis = true): string {
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return millis ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

export function day(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

export function zone(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return minutes === 0 ? "UTC" : `UTC${minutes < 0 ? "-" : "+"}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

// "12 s ago"; a time ahead, of a node whose clock is wrong, says so.
export function ago(then: number, now: number): string {
  const passed = (now - then) / 1000;
  if (passed < -2) return `${span(-passed)} ahead`;
  return passed < 1 ? "now" : `${span(passed)} ago`;
}

function span(value: number): string {
  if (value < 60) return `${Math.floor(value)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min`;
  if (value < 2 * 86400) return `${Math.floor(value / 3600)} h`;
  return `${Math.floor(value / 86400)} d`;
}

export function shortId(id: string): string {
  return id.length > 16 && /^[0-9a-f-]+$/.test(id) ? id.slice(0, 12) : id;
}
