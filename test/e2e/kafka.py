# SPDX-License-Identifier: Apache-2.0
"""Events in a real Kafka broker, which dies in between."""

import json
import socket
import subprocess

import account
from bed import ROOT, Skipped, equal, expect, wait_until

JARS = ROOT / "build/kafka/jars"
TOPIC = "huatuo.events"
SERVER = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={folder}/logs
num.partitions=3
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
"""


def fetch():
    """Before the network is left. Why there is no broker, or None."""
    done = subprocess.run([ROOT / "test/kafka/fetch"], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode else None


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    def __init__(self, bed):
        if not JARS.exists():
            raise Skipped("there is no Kafka: test/kafka/fetch says why; the sink's unit test has librdkafka's mock cluster")
        self.bed = bed
        self.port = free_port()
        folder = bed.folder / "kafka"
        folder.mkdir()
        self.config = folder / "server.properties"
        self.config.write_text(SERVER.format(broker=self.port, controller=free_port(), folder=folder), encoding="ascii")
        subprocess.run(self.java("kafka.tools.StorageTool", "format", "-t", "aHVhdHVvLWh1YXR1by1oQQ", "-c", self.config),
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.start()

    @staticmethod
    def java(main, *words):
        return ["java", "-Xmx256m", "-cp", f"{JARS}/*", main, *words]

    def start(self):
        self.process = self.bed.process("kafka", self.java("kafka.Kafka", self.config))
        wait_until(self.answers, "the broker answers", 60)

    def kcat(self, *words, timeout=30):
        return subprocess.run(["kcat", "-q", "-b", f"127.0.0.1:{self.port}", *words], capture_output=True, text=True,
                              timeout=timeout, check=False)

    def answers(self):
        expect(self.process.alive(), f"the broker ended: {self.process.text()[-500:]}")
        return self.kcat("-L", timeout=10).returncode == 0

    def messages(self):
        """(partition, node, tracer_id of the header, document) of every message."""
        done = self.kcat("-C", "-t", TOPIC, "-o", "beginning", "-e", "-f", "%p %k %h %s\n")
        found = []
        for line in done.stdout.splitlines():
            partition, node, headers, text = line.split(" ", 3)
            fields = dict(word.split("=", 1) for word in headers.split(","))
            found.append((int(partition), node, fields["tracer_id"], json.loads(text)))
        return found


def sink_kafka(bed):
    """Apiserver and broker are killed under events: the topic has each event that the store has, with the same
    document, those of one node in one partition and in its order."""
    broker = Broker(bed)
    flags = ("--sink-kafka-brokers", f"127.0.0.1:{broker.port}")
    server = bed.apiserver(*flags)
    device = bed.device()
    bed.collector()
    bed.watching(device)
    device.changes(100)
    server.kill()
    device.changes(100)
    bed.apiserver(*flags)
    broker.process.kill()
    device.changes(100)
    broker.start()
    device.changes(100)
    ids = {item["tracer_id"] for item in account.all_stored(bed, device)}
    wait_until(lambda: ids <= {found[2] for found in broker.messages()}, "the topic has all events", 60)
    messages = broker.messages()
    stored = {item["tracer_id"]: item for item in bed.api.events()}
    equal([name for _, _, name, document in messages if stored.get(name) != document], [], "documents that differ")
    equal({node for _, node, _, _ in messages}, {bed.node}, "keys")
    equal(len({partition for partition, _, _, _ in messages}), 1, "partitions of one node")
    first = list(dict.fromkeys(name for _, _, name, _ in messages))
    order = [item["tracer_id"] for item in bed.api.events() if item["tracer_id"] in set(first)]
    equal(first, order, "events in the order of the store")
    equal(bed.metrics("huatuo_apiserver_sink_lost_events_total", sink="kafka"), [0, 0], "events lost to the topic")
    bed.note(f"{len(stored)} events, {len(messages)} messages")


CASES = [sink_kafka]
