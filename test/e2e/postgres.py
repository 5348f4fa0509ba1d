# SPDX-License-Identifier: Apache-2.0
"""The store in a real PostgreSQL, which does not always run."""

import os
import signal
import subprocess

import account
from bed import ROOT, Skipped, Stream, equal, expect, wait_until

RESTARTS = 5
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


CASES = [postgres_restart]
