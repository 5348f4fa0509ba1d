# SPDX-License-Identifier: Apache-2.0
"""The store in a real PostgreSQL, which does not always run."""

import os
import re
import signal
import subprocess
import urllib.parse

import account
from bed import ROOT, Skipped, Stream, equal, expect, wait_until

RESTARTS = 5
SQL = ("'; DROP TABLE event; --", '" OR 1=1 --', "$$; SELECT pg_sleep(60); $$", "\\'; TRUNCATE event; --", "x' || (SELECT 1) || 'y",
       "%s {} ?1 $1 :a", "1); DELETE FROM fact WHERE (1=1")
REGION = "eu'); DROP TABLE fact; --"
# All that a device's name may hold of it.
SQL_DEVICE = "';DROP--$1\"?"
TABLES = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
CANNOT_RUN = 77


class Postgres:
    """A server in a folder of its own, on a Unix socket there."""

    def __init__(self, bed):
        self.bed = bed
        self.folder = bed.folder / "postgres"
        self.folder.mkdir()
        # Its user must reach the folder through the one of the case.
        os.chmod(bed.folder, 0o711)
        self.url = f"host={self.folder} user=huatuo dbname=postgres"
        self.process = None
        self.start()

    def start(self):
        self.process = self.bed.process("postgres", [ROOT / "test/postgres.sh", self.folder])
        wait_until(lambda: self.answers() or not self.process.alive(), "PostgreSQL answers", 60)
        if self.process.popen.poll() == CANNOT_RUN:
            raise Skipped(self.process.text().strip())
        expect(self.process.alive(), f"PostgreSQL ended: {self.process.text()[-500:]}")

    def answers(self):
        return self.ask("SELECT 1") == "1"

    def ask(self, sql):
        """Empty while it does not answer."""
        done = subprocess.run(["psql", "-X", "-A", "-t", "-c", sql, self.url], check=False, capture_output=True,
                              text=True)
        return done.stdout.strip()

    def end(self, number):
        self.process.signal(number)
        self.process.popen.wait(30)


def postgres_restart(bed):
    """Restarted and crashed in turns under a stream of events: none is lost, none stored twice."""
    database = Postgres(bed)
    bed.apiserver("--store", "postgres", "--postgres-url", database.url)
    device = bed.device()
    bed.collector()
    bed.watching(device)
    stream = Stream(device)
    for turn in range(RESTARTS):
        stream.grown_by(40)
        database.end(signal.SIGINT if turn % 2 == 0 else signal.SIGQUIT)
        stream.grown_by(100)
        database.start()
        newest = device.next
        wait_until(lambda n=newest: any(s >= n for s in bed.serials(device)), "events are stored again", 60)
    stream.stop()
    items = account.all_stored(bed, device)
    equal(account.gaps(items), {}, "gap records")
    equal(bed.api.losses(bed.node).get("netlink_overflow", 0), 0, "changes that never reached the collector")
    equal(database.ask("SELECT count(*) - count(DISTINCT tracer_id) FROM event"), "0", "rows that are stored twice")
    equal(database.ask("SELECT max(position) - count(*) FROM event"), "0", "gaps between positions")
    bed.note(f"{len(device.made)} events, {RESTARTS} restarts")


def rename(device, name):
    subprocess.run(["ip", "link", "set", device.name, "down"], check=True)
    subprocess.run(["ip", "link", "set", device.name, "name", name], check=True)
    device.name = name


def asked_in_sql(bed, ids):
    """Each filter and each path of the API, asked with SQL."""
    for text in SQL:
        for key in ("tracer", "node", "namespace", "pod", "container", "task", "text"):
            found = {e["tracer_id"] for e in bed.api.events(**{key: text})}
            equal(found & ids, set(), f"events whose {key} is {text}")
        word = urllib.parse.quote(text, safe="")
        for path in ("events", "nodes", "tasks", "profiles", "configuration/versions"):
            status, answer = bed.api.request(f"/api/v1/{path}/{word}")
            expect(status in (400, 404), f"{path}/{text}: {status} {answer[:200]}")
        for query in ("events?cursor=", "events/watch?cursor=", "events/counts?step_seconds=", "profiles?node=", "tasks?state=",
                      "sd?port="):
            status, answer = bed.api.request(f"/api/v1/{query}{word}")
            expect(status in (200, 400), f"{query}{text}: {status} {answer[:200]}")


def said_in_sql(bed):
    """Each document of the API, with SQL wherever it takes text."""
    for text in SQL:
        put = {"comment": text, "defaults": {}, "overrides": [{"name": text, "nodes": [text], "units": {}}]}
        status, answer = bed.api.request("/api/v1/configuration", put, "PUT")
        equal(status, 200, f"a configuration with {text}: {answer[:300]}")
        kept = bed.api.get("/api/v1/configuration")
        equal((kept["comment"], kept["overrides"][0]["name"]), (text, text), "what is kept of it")
        for body in ({"defaults": {text: {}}}, {"defaults": {"netdev_events": {text: 1}}}):
            equal(bed.api.request("/api/v1/configuration", body, "PUT")[0], 422, f"{body}")
        for body in ({"tool": text, "target": {"nodes": [bed.node]}, "duration_seconds": 1},
                     {"tool": "runqlat", "target": {"nodes": [text]}, "duration_seconds": 1},
                     {"tool": "runqlat", "target": {"container": text}, "duration_seconds": 1}):
            equal(bed.api.request("/api/v1/tasks", body, "POST")[0], 422, f"{body}")
        for name, status in ((text, 422), ("sql", 200)):
            rules = {"items": [{"name": name, "action": "label", "match": {"ifname": re.escape(text)}}]}
            equal(bed.api.request("/api/v1/known_issues", rules, "PUT")[0], status, f"{rules}")


def sql_in_every_string(bed):
    """SQL in the name of a device, in documents, filters and paths is text for PostgreSQL; no row comes or goes by it."""
    database = Postgres(bed)
    bed.apiserver("--store", "postgres", "--postgres-url", database.url)
    device = bed.device()
    bed.collector("--region", REGION, "--only", "netdev_events", "--only", "runqlat", "--only", "self")
    bed.watching(device)
    tables = database.ask(TABLES)
    expect("event" in tables, f"tables: {tables}")
    said_in_sql(bed)
    rename(device, SQL_DEVICE)
    # Labelled by the rule with that name.
    rules = {"items": [{"name": "sql", "action": "label", "match": {"ifname": re.escape(SQL_DEVICE)}}]}
    equal(bed.api.request("/api/v1/known_issues", rules, "PUT")[0], 200, "the rule for the device")
    device.changes(20)
    newest = max(device.made)
    wait_until(lambda: newest in bed.serials(device), "the events of the device are stored")
    items = device.documents(bed.api.events(tracer="netdev_events"))
    equal({e["known_issue"] for e in items if e.get("known_issue")}, {"sql"}, "the known issue of its events")
    equal(bed.api.node(bed.node)["region"], REGION, "the node's region")
    ids = {e["tracer_id"] for e in bed.api.events()}
    asked_in_sql(bed, ids)
    equal(database.ask(TABLES), tables, "tables")
    expect(ids <= {e["tracer_id"] for e in bed.api.events()}, "events went")


CASES = [postgres_restart, sql_in_every_string]
