# SPDX-License-Identifier: Apache-2.0
"""One kernel test: a file with the sections NAME, REQUIRES, TIMEOUT, BOOT, DEVICES, ONCE, RUN and EXPECT.

  NAME oom in a container
  REQUIRES root memcg huatuo
  TIMEOUT 60
  RUN
  shell with the functions of lib.sh; ends with what it has collected
  EXPECT
  [.oom[] | select(.tracer_data.victim_process_name == $marker)] | length == 5

BOOT holds kernel arguments and DEVICES arguments of QEMU: the cases that have the same share a boot,
in a VM. ONCE says why one kernel is enough: what the case is about is not the kernel.

An expectation is `JQ OPERATOR LITERAL`. JQ reads one object with a member for each thing that RUN
collected; $marker is a name that only this run of this case uses. OPERATOR is ==, >= or <=.
"""

import json
import operator
import re
import subprocess
from pathlib import Path

OPERATORS = {"==": operator.eq, ">=": operator.ge, "<=": operator.le}


class Case:
    def __init__(self, path):
        self.id = Path(path).stem
        sections = {"RUN": [], "EXPECT": []}
        words = {"NAME": "", "REQUIRES": "", "TIMEOUT": "60", "BOOT": "", "DEVICES": "", "ONCE": ""}
        section = None
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            key, _, rest = line.partition(" ")
            if key in sections and not rest:
                section = sections[key]
            elif section is not None:
                section.append(line)
            elif key in words:
                words[key] = rest.strip()
            elif line.strip() and not line.startswith("#"):
                raise ValueError(f"{path}: not understood: {line}")
        self.name = words["NAME"]
        self.requires = words["REQUIRES"].split()
        self.timeout = float(words["TIMEOUT"])
        self.boot = words["BOOT"], words["DEVICES"]
        self.once = words["ONCE"]
        self.run = "\n".join(sections["RUN"])
        self.expect = [s for s in map(str.strip, sections["EXPECT"]) if s and not s.startswith("#")]
        if not self.name or not self.run or not self.expect:
            raise ValueError(f"{path}: needs NAME, RUN and EXPECT")


def failure(expectation, collected, marker):
    """None when it holds, else what was found instead."""
    match = re.fullmatch(r"(.*) (==|>=|<=) (.*)", expectation)
    if not match:
        return f"not an expectation: {expectation}"
    query, sign, literal = match.groups()
    done = subprocess.run(["jq", "-c", "--arg", "marker", marker, query], input=json.dumps(collected),
                          capture_output=True, text=True, check=False)
    if done.returncode:
        return f"{query}: {done.stderr.strip()}"
    try:
        found, wanted = json.loads(done.stdout), json.loads(literal)
        # 3 == 3.0 and 1 == True in Python: the types must agree too, but for numbers.
        same = type(found) is type(wanted) or {type(found), type(wanted)} == {int, float}
        if same and OPERATORS[sign](found, wanted):
            return None
    except (ValueError, TypeError) as error:
        return f"{expectation}: {error}"
    return f"{query}\n  expected {sign} {literal}\n  found       {done.stdout.strip()}"
