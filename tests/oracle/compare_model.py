"""Compares with transformers, live.

usage: compare_model.py goldens STORED_DIR FRESH_DIR    are the stored goldens what transformers gives today?
       compare_model.py load MODEL_DIR                  does transformers load a directory with no missing or unexpected tensor?
"""
import os
import sys

from safetensors.torch import load_file


def goldens(stored, fresh):
    worst, names = 0.0, sorted(os.listdir(stored))
    if names != sorted(os.listdir(fresh)):
        sys.exit(f"other models than stored: {sorted(set(names) ^ set(os.listdir(fresh)))}")
    for model in names:
        a, b = (load_file(os.path.join(d, model, "golden.safetensors")) for d in (stored, fresh))
        if a.keys() != b.keys():
            sys.exit(f"{model}: other tensors than stored: {sorted(a.keys() ^ b.keys())}")
        for name in a:
            if name == "bf16":  # two distances, each a sum of rounding errors: another CPU rounds others
                continue
            x, y = a[name].double(), b[name].double()
            worst = max(worst, float((x - y).norm() / (x.norm() + 1e-30)))
    print(f"{len(names)} stored goldens: largest relative difference {worst:.2e}")
    if not worst < 1e-4:
        sys.exit("the stored goldens differ from what transformers gives")


def load(directory):
    from tiny_models import load as load_clean
    print(f"{directory}: {type(load_clean(directory)).__name__} loads clean")


if __name__ == "__main__":
    {"goldens": goldens, "load": load}[sys.argv[1]](*sys.argv[2:])
