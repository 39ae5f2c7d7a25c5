"""A reward model that TRL's RewardTrainer made: `wildreward score` gives every chat the reward that TRL's own batches give it, and ranks alike. And the other way:
`train reward --objective bt` from the same start has TRL's loss, with margins and centred rewards.

usage: reward_trl.py        WILDREWARD: the program; WILDREWARD_SEED repeats a run; exit 1 on a difference
"""
import os
import shutil
import sys
import tempfile

import torch
from datasets import Dataset
from reward_models import add_tokenizer, edit, score, TOKENIZER, words
from tiny_models import make, random_source, random_spec
from training import check, train, write_jsonl
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from trl import RewardConfig, RewardTrainer


def pairs(r, n):
    for _ in range(n):
        prompt = [{"role": "user", "content": words(r, 12)}]
        chosen, rejected = words(r, 20), words(r, 20)
        while rejected == chosen:  # such a pair teaches nothing: ours leaves it out
            rejected = words(r, 20)
        yield {"chosen": prompt + [{"role": "assistant", "content": chosen}], "rejected": prompt + [{"role": "assistant", "content": rejected}]}


def our_loss(family, start, folder, r, tok, rows):
    """The loss of all pairs, before a step, by TRL's compute_loss and by ours."""
    margins = [{**row, "margin": r.choice([0.0, 0.5, 2.0])} for row in rows]
    trainer = RewardTrainer(
        model=AutoModelForSequenceClassification.from_pretrained(start, dtype=torch.float32), processing_class=tok, train_dataset=Dataset.from_list(margins),
        eval_dataset=Dataset.from_list(margins),
        args=RewardConfig(output_dir=os.path.join(folder, "loss"), per_device_eval_batch_size=len(rows), center_rewards_coefficient=0.05, report_to=[], use_cpu=True, bf16=False,
                          disable_tqdm=True, save_strategy="no", logging_strategy="no", max_length=None, disable_dropout=True))
    theirs, path = trainer.evaluate()["eval_loss"], os.path.join(folder, "pairs.jsonl")
    write_jsonl(path, margins)
    ours = train("reward", os.path.join(folder, "ours"), 1, 0, "--objective", "bt", "--pairs", path, "--model", start, "--center-rewards", 0.05, "--global-batch", len(rows))
    return check(f"{family}, loss of pairs with margins and centring", abs(ours[0] - theirs) / theirs, 1e-5)


def compare(family, folder, r):
    start, made = os.path.join(folder, "start"), os.path.join(folder, "made")
    vocabulary = AutoTokenizer.from_pretrained(os.path.dirname(TOKENIZER)).vocab_size + 400
    make({**random_spec(family, 1, r, r.randrange(1 << 30)), "V": vocabulary, "positions": 1024, "stored": "f32", "rope": "default"}, start)
    add_tokenizer(start, r)
    tok = AutoTokenizer.from_pretrained(start)
    tok.pad_token = tok.eos_token
    edit(start, "config.json", lambda c: c.update(pad_token_id=tok.pad_token_id))
    rows = list(pairs(r, 16))
    trainer = RewardTrainer(
        model=AutoModelForSequenceClassification.from_pretrained(start, dtype=torch.float32), processing_class=tok, train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(rows),
        args=RewardConfig(output_dir=os.path.join(folder, "run"), max_steps=4, per_device_train_batch_size=4, per_device_eval_batch_size=1, learning_rate=1e-3,
                          report_to=[], use_cpu=True, bf16=False, disable_tqdm=True, save_strategy="no", logging_strategy="no", max_length=None))
    trainer.train()
    trainer.save_model(made)
    good = our_loss(family, start, folder, r, tok, rows)
    theirs = []
    model = trainer.model.eval()
    with torch.no_grad():
        for batch in trainer.get_eval_dataloader():  # each pair: the chosen row, then the rejected
            theirs += model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, 0].tolist()
    ours = [x["score"] for row in rows for x in score([{"messages": row[k]} for k in ("chosen", "rejected")], "--model", made)]
    order = sum((a - b) * (c - d) <= 0 for a, b, c, d in zip(ours[::2], ours[1::2], theirs[::2], theirs[1::2], strict=True))
    good &= check(f"{family} by TRL, rewards", max(abs(a - b) / max(1, abs(b)) for a, b in zip(ours, theirs, strict=True)), 1e-5)
    return good & check(f"{family} by TRL, pairs ranked otherwise", order, 0)


def main():
    r, good = random_source(), True
    torch.set_num_threads(2)
    for family in ("llama", "qwen3"):
        folder = tempfile.mkdtemp(prefix="wr-trl-")
        try:
            good &= compare(family, folder, r)
        finally:
            shutil.rmtree(folder)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
