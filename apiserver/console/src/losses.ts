// What the causes of losses mean and what to do; docs/architecture.md has where each is counted.
const CAUSES: Record<string, string> = {
  rate_limited: "More events of one cgroup than its limit: raise limit_per_second of the unit if you need them all.",
  ring_full: "The kernel was faster than the collector: a larger ring_bytes holds longer bursts.",
  netlink_overflow: "Changes of devices came too fast; all devices were read anew.",
  malformed_record: "A record that no table fits: a bug, please report it.",
  instance_closed: "A record of a task that had ended.",
  incomplete: "The event came, without what could not be read in time; it names the fields.",
  container_tombstone_evicted: "More containers ended than are remembered; late events of theirs go without container.",
  cgroup_refused: "More cgroups than the table holds; their events go without container.",
  cgroup_unresolved: "A cgroup of which nothing was found; the event went without container.",
  series_refused: "More series than a node may send: max_series_per_node of the server.",
  series_limit: "More series than a node may send: max_series_per_node of the server.",
  "slow_down:metric_rounds": "The server asked to slow down; the next round had the newest values.",
  vanished_cgroup: "A container ended while its files were read; the next round has the others.",
  netlink_dump: "A list of devices changed while it was read; the next round reads it anew.",
  cpu_online: "A CPU came back; until that was noticed it was not sampled.",
  memory_full: "The queue was full while the disk failed: look at the spool's disk.",
  spool_full: "The server was away for longer than the spool holds: a larger spool_limit_bytes.",
  spool_corrupt: "Part of the spool could not be read: look at its disk.",
  too_large: "An event larger than a message.",
  server_lost: "The server's store lost what it had acknowledged: was it restored or emptied?",
};

export function causeHelp(cause: string): string {
  return CAUSES[cause] ?? "";
}
