#!/bin/bash
# Top-k where logits are equal, which bf16 makes common.
. "$(dirname "$0")/common.sh" model
finding "transformers 5.24.0" \
    "top_k=1 leaves one token, and so samples greedily" \
    "every token not below the k-th value stays, so that top_k=1 still draws lots among equals"
run_python <<'P'
import torch
from transformers import TopKLogitsWarper

for k, logits in ((1, [1.0, 3.0, 3.0, 2.0]), (2, [1.0, 1.0, 1.0, 1.0])):
    left = TopKLogitsWarper(k)(None, torch.tensor([logits]))[0].tolist()
    print("top_k=%d of" % k, logits, "leaves ids", *[i for i, x in enumerate(left) if x > -1e30])
P
same <<'T'
top_k=1 of [1.0, 3.0, 3.0, 2.0] leaves ids 1 2
top_k=2 of [1.0, 1.0, 1.0, 1.0] leaves ids 0 1 2 3
T
