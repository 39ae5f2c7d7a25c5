"""Compares with transformers, live.

usage: compare_model.py goldens STORED_DIR FRESH_DIR    are the stored goldens what transformers gives today?
       compare_model.py load MODEL_DIR                  does transformers load a directory with no missing or unexpected tensor?
"""
import sys

from safetensors.torch import load_file


def goldens(stored, fresh):
    worst = 0.0
    for kind in ("lm", "score"):
        a, b = (load_file(f"{d}/{kind}/golden.safetensors") for d in (stored, fresh))
        if a.keys() != b.keys():
            sys.exit(f"{kind}: other tensors than stored: {sorted(a.keys() ^ b.keys())}")
        for name in a:
            x, y = a[name].double(), b[name].double()
            worst = max(worst, float((x - y).norm() / (x.norm() + 1e-30)))
    print(f"goldens: largest relative difference {worst:.2e}")
    if not worst < 1e-4:
        sys.exit("the stored goldens differ from what transformers gives")


def load(directory):
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification
    architecture = AutoConfig.from_pretrained(directory).architectures[0]
    auto = AutoModelForCausalLM if architecture.endswith("CausalLM") else AutoModelForSequenceClassification
    _, info = auto.from_pretrained(directory, output_loading_info=True)
    bad = {k: v for k, v in info.items() if v}
    if bad:
        sys.exit(f"{directory}: {bad}")
    print(f"{directory}: {architecture} loads clean")


if __name__ == "__main__":
    {"goldens": goldens, "load": load}[sys.argv[1]](*sys.argv[2:])
