"""Print `INSTANCE.log`, whose lines begin with their time, as a runtime would; end when the file `cut` appears."""

import datetime
import os
import sys
import time

since, tail = float(sys.argv[1]), int(sys.argv[2])
flags = [a for a in sys.argv[3:] if a.startswith("--")]
pairs = [a.split("=") for a in sys.argv[3:] if not a.startswith("--")]
then = time.time() - since if since else 0.0


def show(service, line):
    stamp, _, text = line.rstrip("\n").partition(" ")
    print(f"{service} | {stamp} {text}" if "--timestamps" in flags else f"{service} | {text}", flush=True)


def late(line):
    return datetime.datetime.fromisoformat(line.split()[0]).timestamp() >= then


files = []
for service, instance in pairs:
    open(f"{instance}.log", "a").close()
    file = open(f"{instance}.log")  # noqa: SIM115 - followed until the end
    lines = [line for line in file if late(line)]
    for line in lines if tail < 0 else lines[len(lines) - tail :] if tail else []:
        show(service, line)
    files.append((service, file))
while "--follow" in flags:
    if os.path.exists("cut"):
        print("paper: the connection was cut", file=sys.stderr)
        sys.exit(255)
    for service, file in files:
        for line in file:
            show(service, line)
    time.sleep(0.02)
