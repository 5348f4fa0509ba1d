import { Component } from "preact";
import { lineFacts, processText, subjectsOf, subjectText } from "../event";
import { tracerVariable } from "../palette";
import type { EventDocument } from "../types";
import { Kind } from "./kind";
import { Ago, Clock } from "./time";

interface Props {
  events: EventDocument[];
  fresh: ReadonlySet<string>;
  selected?: string;
  hrefOf: (event: EventDocument) => string;
  onOpen: (event: EventDocument) => void;
  brief?: boolean;
}

export function EventTable(props: Props) {
  return (
    <table class="events sticky">
      <thead>
        <tr>
          <th style={{ width: "1%" }}>time</th><th style={{ width: "1%" }}>event</th>
          <th style={{ width: "1%" }}>node</th><th style={{ width: "1%" }}>subject</th>
          {!props.brief && <th class="wide-only" style={{ width: "1%" }}>process</th>}
          <th>facts</th>
        </tr>
      </thead>
      <tbody>
        {props.events.map((event) => (
          <Row key={event.tracer_id} event={event} fresh={props.fresh.has(event.tracer_id)} selected={props.selected === event.tracer_id}
            brief={props.brief ?? false} mark={tracerVariable(event.tracer_name)} href={props.hrefOf(event)} onOpen={props.onOpen} />
        ))}
      </tbody>
    </table>
  );
}

interface RowProps {
  event: EventDocument;
  fresh: boolean;
  selected: boolean;
  brief: boolean;
  mark: string;  // its colour, which is known when the catalog is
  href: string;
  onOpen: (event: EventDocument) => void;
}

// Drawn anew only when something of it has changed: in a storm a list of a thousand grows five times a second.
class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    const now = this.props;
    return (["event", "fresh", "selected", "mark", "href"] as const).some((name) => next[name] !== now[name]);
  }

  override render(props: RowProps) {
    const { event } = props;
    const subject = subjectText(subjectsOf(event)[0]);
    return (
      <tr class={props.fresh ? "link new" : "link"} aria-selected={props.selected} data-id={event.tracer_id} onClick={() => this.props.onOpen(event)}>
        <td class="time">
          {props.brief ? <Ago time={event.tracer_time} /> : <><Clock time={event.tracer_time} /> <span class="faint wide-only"><Ago time={event.tracer_time} /></span></>}
        </td>
        <td class="nowrap"><a class="row" href={props.href}><Kind tracer={event.tracer_name} />{typeof event.tracer_data["repeated"] === "number" && <span class="tag" title="so many that were the same">×{event.tracer_data["repeated"]}</span>}</a>{" "}
          {event.known_issue && <span class="tag accent" title="a known issue">{event.known_issue}</span>}</td>
        <td class="nowrap">{event.node ?? event.hostname}</td>
        <td class="nowrap" title={subject}>{subject}</td>
        {!props.brief && <td class="nowrap mono wide-only">{processText(event.tracer_data)}</td>}
        <td class="cut facts-line"><Facts event={event} /></td>
      </tr>
    );
  }
}

function Facts(props: { event: EventDocument }) {
  return (
    <>
      {lineFacts(props.event).map(([name, value]) => (
        <span key={name}>{name} <b>{value}</b>{"  "}</span>
      ))}
    </>
  );
}
