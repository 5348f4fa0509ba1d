import { ago, clock, day, zone } from "../format";
import { useNow } from "../use";

function both(date: Date, text: string): string {
  return `${day(date)} ${clock(date)} ${zone(date)}\n${text}`;
}

// How long ago; on hover the local time and UTC.
export function Ago(props: { time: string | null | undefined }) {
  const now = useNow();
  if (!props.time) return <span class="dim">never</span>;
  const date = new Date(props.time);
  return (
    <time dateTime={props.time} title={both(date, props.time)} class="nowrap">
      {ago(date.getTime(), now)}
    </time>
  );
}

// The local time, with the day when it is not today's.
export function Clock(props: { time: string }) {
  const date = new Date(props.time);
  const today = day(date) === day(new Date());
  return (
    <time dateTime={props.time} title={both(date, props.time)} class="nowrap mono">
      {today ? clock(date) : `${day(date).slice(5)} ${clock(date)}`}
    </time>
  );
}
