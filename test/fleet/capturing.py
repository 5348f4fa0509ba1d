# SPDX-License-Identifier: Apache-2.0
"""What a real collector sends, to be what simulated ones send."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def capture(build, folder):
    """What a real collector sends of a recording with events of most kinds."""
    captured = folder / "captured"
    with subprocess.Popen([build / "test/fleet/huatuo-fleet", "--capture-to", captured], stdout=subprocess.PIPE,
                          text=True) as taker:
        address = taker.stdout.readline().strip()
        with subprocess.Popen([build / "collector/huatuo-collector", "--replay", ROOT / "test/recordings/kernel-6.1.recording", "--apiserver", address,
                               "--node", "model", "--spool-dir", folder / "model"],
                              stderr=subprocess.DEVNULL) as collector:
            code = taker.wait(60)
            collector.terminate()
    if code != 0:
        sys.exit("fleet: the events of the recordings could not be captured")
    return captured
