"""Event files of a run that was resumed, read by the tensorboard package: the scalars are those of metrics.jsonl, no step twice, also where steps were done again.

usage: tensorboard_read.py (WILDREWARD names the program)
"""
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

PROGRAM = os.environ["WILDREWARD"]


def run(*arguments):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)}: exit {done.returncode}\n{done.stderr}")


def scalars(value, tag=""):
    """(tag, number) of a line, named as trainer/event_file.h says."""
    for key, v in value.items():
        if not tag and key == "step":
            continue
        if tag:
            name = tag + key
        elif key.startswith("eval_"):
            name = "eval/" + key[5:]
        else:
            name = ("time/" if key.endswith("_s") else "train/") + key
        if isinstance(v, dict):
            yield from scalars(v, name + "/")
        elif isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v):
            yield name, v


def main():
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        run("synth", "--users", "12", "--conversations", "80", "--seed", "3", "--train-prompts", "4", "--heldout-prompts", "4", "--out", str(work / "world"))
        run("prepare", str(work / "world/chats.jsonl.zst"), "--out", str(work / "data"), "--vocab-size", "400", "--seed", "1")
        small = ["--data", str(work / "data"), "--new", "layers=1,hidden=16,heads=2,kv-heads=1,ffn=32,max-positions=512", "--global-batch", "4", "--lr", "1e-3",
                 "--eval-every", "5", "--eval-records", "10", "--checkpoint-every", "4", "--out", str(work / "run")]
        run("train", "reward", *small, "--steps", "10")
        # as after a kill behind step 10, before its checkpoint: steps 9 and 10 are done again
        (work / "run/checkpoints/step-10/state.json").unlink()
        run("train", "reward", *small, "--steps", "10", "--resume")
        files = sorted((work / "run").glob("events.out.tfevents.*"))
        assert len(files) == 2, files
        read = EventAccumulator(str(work / "run"), size_guidance={"scalars": 0})
        read.Reload()
        found = {(tag, e.step): e.value for tag in read.Tags()["scalars"] for e in read.Scalars(tag)}
        count = sum(len(read.Scalars(tag)) for tag in read.Tags()["scalars"])
        assert count == len(found), "a step stands twice"
        wanted = {}
        for line in (work / "run/metrics.jsonl").read_text().splitlines():
            row = json.loads(line)
            wanted.update({(tag, row["step"]): v for tag, v in scalars(row)})
        assert found.keys() == wanted.keys(), sorted(found.keys() ^ wanted.keys())[:5]
        assert all(abs(found[k] - wanted[k]) <= 1e-6 * abs(wanted[k]) for k in wanted)
        print(f"tensorboard: {len(found)} scalars of {len(read.Tags()['scalars'])} tags as in metrics.jsonl")


if __name__ == "__main__":
    main()
