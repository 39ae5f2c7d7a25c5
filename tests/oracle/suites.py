"""Sections and overall of the published suites, by the functions of the package rewardbench 0.1.4 where it has them and by the papers' rules restated in
numpy and pandas where not, on made-up rows. A reply's text is its score in thousandths, so that a row holds all that there is to know.

usage: suites.py cases OUT.jsonl.zst [N]   N cases of each suite (WILDREWARD_SEED repeats a run); tests/unit/test_suites.c reads them
       suites.py files FOLDER          rows of each suite as published: JSON lines, and the same as Parquet
       suites.py live MODEL TOKENIZER  WILDREWARD evaluate --suite on random rows, against the scores of transformers, judged as above
PYTHONPATH must lead to rewardbench (pip install --no-deps --target DIR rewardbench==0.1.4: its own pins are of other versions).
"""
import importlib.util, json, math, os, random, sys, types, warnings
import numpy as np
import pandas as pd
import pyarrow as pa, pyarrow.parquet as pq


def load_rewardbench():
    """Its utils and constants alone; models and templates, which import much more, are never asked for."""
    folder = importlib.util.find_spec("rewardbench").submodule_search_locations[0]
    for name, member in (("fastchat.conversation", "Conversation"), ("rewardbench.models", "REWARD_MODEL_CONFIG")):
        for part in (name.split(".")[0], name):
            module = sys.modules.setdefault(part, types.ModuleType(part))
        setattr(module, member, {})
    loaded = {}
    for name in ("constants", "utils"):
        spec = importlib.util.spec_from_file_location("rewardbench." + name, os.path.join(folder, name + ".py"))
        loaded[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded[name])
    return loaded["constants"], loaded["utils"]


constants, utils = load_rewardbench()
from datasets import Dataset

seed = int(os.environ.get("WILDREWARD_SEED") or random.randrange(1 << 30))
print(f"seed {seed}")
rng = random.Random(seed)
PRIOR = ["anthropic_helpful", "anthropic_hhh", "shp", "summarize"]


def draw(spread):
    return rng.randrange(-spread, spread)


def text(score):
    return str(score)


SCORES = None  # live: of reply number i


def value(reply):
    return int(reply) / 1000 if SCORES is None else SCORES[int(reply)]


def some(names):
    """Most often all of them."""
    kept = [n for n in names if rng.random() < 0.9]
    return kept or [rng.choice(names)]


# --- RewardBench -------------------------------------------------------------------------------------------------------------


def rewardbench_rows(spread):
    subsets = some([s for section in constants.SUBSET_MAPPING.values() for s in section]) + (some(PRIOR) if rng.random() < 0.5 else [])
    return [{"id": i, "prompt": f"q{i}", "chosen": text(draw(spread) + 3), "rejected": text(draw(spread)), "subset": s, "chosen_model": "m", "rejected_model": "n"}
            for s in subsets for i in range(rng.randrange(1, 5))]


def rewardbench(rows):
    frame = pd.DataFrame(rows)
    right = [1 if value(c) > value(r) else 0 for c, r in zip(frame.chosen, frame.rejected)]
    accuracy = frame.assign(right=right).groupby("subset").right.mean().to_dict()
    sections = utils.calculate_scores_per_section(constants.EXAMPLE_COUNTS, constants.SUBSET_MAPPING, accuracy)
    prior = [accuracy[s] for s in PRIOR if s in accuracy]
    rows_of_prior = [r for s, r in zip(frame.subset, right) if s in PRIOR]

    def overall(prior_sets):
        return np.ma.average(np.ma.masked_invalid(list(sections.values())[:4] + [prior_sets]), weights=[2, 2, 2, 2, 1])  # as analysis/get_benchmark_results.py averages

    result = {"overall": overall(np.mean(rows_of_prior) if prior else np.nan), "sections": sections, "subsets": accuracy}
    if prior:  # by size; and the plain mean, as that program has it
        result["leaderboard"] = {"Prior Sets": np.mean(prior), "overall": overall(np.mean(prior))}
        sections["Prior Sets"] = np.mean(rows_of_prior)
    return result


# --- RewardBench 2 -----------------------------------------------------------------------------------------------------------


def rewardbench2_rows(spread):
    rows = []
    for subset in some(["Factuality", "Precise IF", "Math", "Safety", "Focus"]):
        for i in range(rng.randrange(1, 8)):
            rows.append({"id": f"{subset[0]}{i}", "prompt": "p", "chosen": [text(draw(spread) + 3)], "rejected": [text(draw(spread)) for _ in range(3)], "subset": subset})
    for i in range(rng.randrange(0, 9)):
        kinds = rng.choice([["ref", "tied"]] * 6 + [["tied"], ["ref"]])
        for kind in kinds:
            right = 1 if kind == "ref" or rng.random() < 0.2 else rng.randrange(2, 5)
            high = draw(spread) + rng.choice([0, spread])
            chosen = [high - (rng.randrange(0, spread) // rng.choice([1, 4, 10**6]) if k else 0) for k in range(right)]
            rows.append({"id": f"{kind}:{i}", "prompt": "p", "chosen": [text(c) for c in chosen], "rejected": [text(draw(spread)) for _ in range(rng.randrange(1, 6))],
                         "subset": "Ties"})
    for row in rows:
        row.update(num_correct=len(row["chosen"]), num_incorrect=len(row["rejected"]), total_completions=len(row["chosen"]) + len(row["rejected"]))
    return rows


def rewardbench2(rows):
    sections = {}
    for subset in sorted({r["subset"] for r in rows}):
        part = [r for r in rows if r["subset"] == subset]
        scores = [value(t) for r in part for t in r["chosen"] + r["rejected"]]
        if subset == "Ties":
            data = Dataset.from_list([{"id": r["id"], "num_correct": r["num_correct"], "scores": [value(t) for t in r["chosen"] + r["rejected"]]} for r in part])
            sections[subset] = float(utils.process_single_model(data)[1])
            continue
        flat = Dataset.from_list([{"text": t, "scores": s, "id": r["id"]} for r, t, s in
                                  zip([r for r in part for _ in r["chosen"] + r["rejected"]], [t for r in part for t in r["chosen"] + r["rejected"]], scores)])
        results = utils.reroll_and_score_dataset(flat, [r["total_completions"] for r in part])["results"]
        sections[subset] = float(np.mean([x == 1 for x in results]))  # the package gives 1/k to one of k equal scores; ours is strict
    return {"overall": float(np.mean(list(sections.values()))), "sections": sections}


# --- RM-Bench ----------------------------------------------------------------------------------------------------------------


def rm_bench_rows(spread):
    return [{"id": i, "prompt": "p", "chosen": [text(draw(spread) + 2) for _ in range(3)], "rejected": [text(draw(spread)) for _ in range(3)], "domain": d}
            for d in some(["chat", "code", "math", "safety-refuse", "safety-response"]) for i in range(rng.randrange(1, 9))]


def rm_bench(rows):
    levels = {}
    for domain in ("chat", "code", "math", "safety"):
        part = [r for r in rows if r["domain"].startswith(domain)]
        if not part:
            continue
        matrix = np.mean([[[value(c) > value(w) for w in r["rejected"]] for c in r["chosen"]] for r in part], axis=0)
        levels[domain] = (np.sum(np.tril(matrix, -1)) / 3, np.mean(np.diag(matrix)), np.sum(np.triu(matrix, 1)) / 3)
    mean = np.mean(list(levels.values()), axis=0)
    domains = {d: np.mean(v) for d, v in levels.items()}
    return {"overall": np.mean(list(domains.values())), "easy": mean[0], "normal": mean[1], "hard": mean[2], "sections": domains, "domains": domains}


# --- JudgeBench --------------------------------------------------------------------------------------------------------------


def judgebench_rows(spread):
    sources = ["mmlu-pro-law", "mmlu-pro-math", "livebench-reasoning", "livebench-math", "livecodebench"]
    return [{"pair_id": str(i), "source": s, "question": "q", "response_A": text(draw(spread)), "response_B": text(draw(spread)), "label": rng.choice(["A>B", "B>A"])}
            for s in some(sources) for i in range(rng.randrange(1, 9))]


def judgebench(rows):
    def share(part):
        return np.mean([("A>B" if value(r["response_A"]) > value(r["response_B"]) else "B>A") == r["label"] for r in part])
    sections = {}
    for name in ["mmlu-pro", "livebench-reasoning", "livebench-math", "livecodebench"]:
        part = [r for r in rows if r["source"].startswith(name)]
        if part:
            sections[name] = share(part)
    return {"overall": share(rows), "sections": sections}


# --- PPE ---------------------------------------------------------------------------------------------------------------------

BENCHMARKS = {"MMLU-Pro": "PPE-MMLU-Pro-Best-of-K.jsonl", "MATH": "PPE-MATH-Best-of-K.jsonl", "GPQA": "PPE-GPQA-Best-of-K.jsonl",
              "IFEval": "PPE-IFEval-Best-of-K.jsonl", "MBPP-Plus": "PPE-MBPP-Plus-Best-of-K.jsonl"}


def ppe_files(spread):
    files = []
    if rng.random() < 0.8:
        files.append(("PPE-Human-Preference-V1.jsonl", [{"question_id": str(i), "prompt": "p", "response_1": text(draw(spread)), "response_2": text(draw(spread)),
                                                         "model_a": "a", "model_b": "b", "winner": rng.choice(["model_a", "model_b", "model_b", "tie", "tie (bothbad)"])}
                                                        for i in range(rng.randrange(4, 12))] + [{"prompt": "p", "response_1": "1", "response_2": "0", "winner": "model_a"}]))
    for name in some(list(BENCHMARKS)) if not files or rng.random() < 0.8 else []:
        rows = []
        for i in range(rng.randrange(1, 6)):
            k = rng.randrange(2, 9)
            right = [rng.random() < 0.5 for _ in range(k - 2)] + [True, False]
            rng.shuffle(right)
            conflicts = [[a, b] for a in range(k) for b in range(k) if right[a] != right[b]]
            rows.append({"question_id": str(i), "prompt": "p", "scores": right, "sampled_conflict_pairs": rng.sample(conflicts, rng.randrange(1, len(conflicts) + 1)),
                         **{f"response_{j + 1}": text(draw(spread)) for j in range(k)}})
        files.append((BENCHMARKS[name], rows))
    return files


def ppe(files):
    names = {file: name for name, file in BENCHMARKS.items()}
    sections, best, human = {}, {}, np.nan
    for file, rows in files:
        if file not in names:
            decided = [r for r in rows if r["winner"] in ("model_a", "model_b")]
            sections["human"] = human = np.mean([value(r["response_1" if r["winner"] == "model_a" else "response_2"]) >
                                                 value(r["response_2" if r["winner"] == "model_a" else "response_1"]) for r in decided])
            continue
        won, top = [], []
        for r in rows:
            s = [value(r[f"response_{j + 1}"]) for j in range(len(r["scores"]))]
            won += [s[a] > s[b] if r["scores"][a] else s[b] > s[a] for a, b in r["sampled_conflict_pairs"]]
            top.append(min(x for x, y in zip(r["scores"], s) if y == max(s)))
        sections[names[file]], best[names[file]] = np.mean(won), np.mean(top)
    halves = [human] if "human" in sections else []
    if best:
        sections["correctness"] = np.mean([sections[n] for n in best])
        halves.append(sections["correctness"])
    return {"overall": np.mean(halves), "sections": sections, **({"best_of_k": best} if best else {})}


# --- RMB ---------------------------------------------------------------------------------------------------------------------


def rmb_rows(spread):
    rows = []
    for half in some(["Helpfulness/Chat/Discussion", "Harmlessness/S1", "Harmlessness/multi"]):
        for i in range(rng.randrange(1, 6)):
            chat = [{"role": "user", "content": "p", "language": "English"}]
            rows.append({"pair_uid": str(i), "conversation_input": chat, "chosen": {"llm_name": "a", "answer": text(draw(spread) + 2), "score": 5.0},
                         "reject": {"llm_name": "b", "answer": text(draw(spread)), "score": 1.0}, "category_path": "Pairwise_set/" + half})
            if rng.random() < 0.7:
                rows.append({"bon_uid": str(i), "conversation_input": chat, "bon_best": {"llm_name": "a", "answer": text(draw(spread) + 4)},
                             "loser_list": [{"llm_name": "b", "answer": text(draw(spread))} for _ in range(rng.randrange(1, 5))], "category_path": "BoN_set/" + half})
    return rows


def rmb(rows):
    sections = {}
    for kind, name in (("Pairwise_set", "pairwise"), ("BoN_set", "bon")):
        for half in ("Helpfulness", "Harmlessness"):
            part = [r for r in rows if r["category_path"].startswith(kind + "/" + half)]
            if part:
                sections[f"{name}_{half.lower()}"] = np.mean([
                    value((r.get("chosen") or r["bon_best"])["answer"]) > max(value(x["answer"]) for x in (r.get("loser_list") or [r["reject"]])) for r in part])
    return {"overall": np.mean(list(sections.values())), "sections": sections}


# --- pairs -------------------------------------------------------------------------------------------------------------------


def pairs_rows(spread):
    rows = []
    for _ in range(rng.randrange(1, 9)):
        sides = {"chosen": text(draw(spread)), "rejected": text(draw(spread))}
        as_chat = rng.random() < 0.7
        row = {k: [{"role": "assistant", "content": v}] if as_chat else v for k, v in sides.items()}
        if as_chat and rng.random() < 0.5:
            row["prompt"] = [{"role": "user", "content": "p"}]
        elif as_chat:
            row = {k: [{"role": "user", "content": "p"}] + v for k, v in row.items()}
        rows.append(row)
    return rows


def pairs(rows):
    def reply(side):
        return value(side if isinstance(side, str) else side[-1]["content"])
    right, ties = [reply(r["chosen"]) > reply(r["rejected"]) for r in rows], sum(reply(r["chosen"]) == reply(r["rejected"]) for r in rows)
    return {"overall": np.mean(right), "sections": {"rows": np.mean(right)}, "ties": ties}


ROWS = {"rewardbench": (rewardbench_rows, rewardbench), "rewardbench2": (rewardbench2_rows, rewardbench2), "rm-bench": (rm_bench_rows, rm_bench),
        "judgebench": (judgebench_rows, judgebench), "rmb": (rmb_rows, rmb), "pairs": (pairs_rows, pairs)}


def plain(x):
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items()}
    return None if isinstance(x, float) and math.isnan(x) else float(x)


def line(x):
    return (json.dumps(x) + "\n").encode()


def cases(out, n):
    warnings.simplefilter("ignore")  # the package takes means of nothing
    with pa.CompressedOutputStream(out, "zstd") as f:
        for i in range(n):
            spread = [4, 10, 1000][i % 3]  # many ties, some, hardly any
            for name, (make, judge) in ROWS.items():
                rows = make(spread)
                f.write(line({"suite": name, "files": [["rows.jsonl", rows]], "want": plain(judge(rows))}))
            files = ppe_files(spread)
            f.write(line({"suite": "ppe", "files": files, "want": plain(ppe(files))}))


WORDS = "one two three four five six seven".split()
REPLIES = ("chosen", "rejected", "answer", "response_A", "response_B") + tuple(f"response_{j}" for j in range(1, 33))


def say(x, reply=False):
    """The same rows with replies of words, which a model tells apart."""
    if isinstance(x, dict):
        return {k: say(v, k in REPLIES) for k, v in x.items()}
    if isinstance(x, list):
        return [say(v, reply) for v in x]
    return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 6))) if reply and isinstance(x, str) else x


def published(folder):
    os.makedirs(folder, exist_ok=True)
    rng.seed(1)
    made = {name: rng.sample(rows := make(1000), min(8, len(rows))) for name, (make, _) in ROWS.items() if name != "pairs"}
    made["pairs"] = [{"prompt": [{"role": "user", "content": "count"}], **{k: [{"role": "assistant", "content": say("", True)}] for k in ("chosen", "rejected")}}
                     for _ in range(6)]
    made["ppe-human"] = [{"question_id": str(i), "prompt": "count", "response_1": "", "response_2": "", "winner": w} for i, w in enumerate(["model_a", "model_b", "tie"] * 2)]
    made["ppe-gpqa"] = [{"question_id": str(i), "prompt": "count", **{f"response_{j}": "" for j in range(1, 5)}, "scores": [True, False, True, False],
                         "sampled_conflict_pairs": [[0, 1], [3, 2], [2, 1]]} for i in range(3)]
    for name, rows in made.items():
        rows = [say(r) if name != "pairs" else r for r in rows]
        with open(f"{folder}/{name}.jsonl", "w") as f:
            f.writelines(json.dumps(r) + "\n" for r in rows)
        schema = pa.unify_schemas([pa.Table.from_pylist([r]).schema for r in rows], promote_options="permissive")
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), f"{folder}/{name}.parquet", compression="zstd")


# --- live: a model's scores ----------------------------------------------------------------------------------------------------


def replies(x, change, reply=False):
    """A row with every reply changed; of chats the last message is the reply."""
    if isinstance(x, dict):
        return {k: replies(v, change, k in REPLIES) for k, v in x.items()}
    if reply and isinstance(x, list) and x and isinstance(x[-1], dict) and "role" in x[-1]:
        return x[:-1] + [dict(x[-1], content=change(x[-1]["content"]))]
    if isinstance(x, list):
        return [replies(v, change, reply) for v in x]
    return change(x) if reply and isinstance(x, str) else x


def prompt_of(row):
    prompt = row.get("prompt", row.get("question", row.get("conversation_input")))
    if prompt is None:
        prompt = row["chosen"][:-1]
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else [{k: m[k] for k in ("role", "content")} for m in prompt]


def live(model_dir, tokenizer):
    global SCORES
    import shutil, subprocess, tempfile, torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    folder = tempfile.mkdtemp()
    shutil.copytree(model_dir, folder + "/model")
    shutil.copy(tokenizer, folder + "/model")
    tok = AutoTokenizer.from_pretrained(folder + "/model")
    model = AutoModelForSequenceClassification.from_pretrained(folder + "/model", dtype=torch.float32).eval()

    @torch.no_grad()
    def score(chat):
        return model(torch.tensor([tok.apply_chat_template(chat, tokenize=True, return_dict=False)])).logits[0, 0].item()

    for name, (make, judge) in list(ROWS.items()) + [("ppe", (ppe_files, ppe))]:
        files = make(1000) if name == "ppe" else [("rows.jsonl", make(1000))]
        if name == "pairs":
            files = [(f, [r for r in rows if isinstance(r["chosen"], list)] or [{k: [{"role": "user", "content": "p"}, {"role": "assistant", "content": "1"}] for k in ("chosen", "rejected")}])
                     for f, rows in files]
        words, SCORES, numbered, paths = [], [], [], []
        for file, rows in files:
            paths.append(f"{folder}/{file}")
            with open(paths[-1], "w") as f:
                numbered.append((file, []))
                for row in rows:
                    first, before = len(words), prompt_of(row)

                    def number(_):
                        words.append(" ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, 6))))
                        return str(len(words) - 1)
                    numbered[-1][1].append(replies(row, number))
                    f.write(json.dumps(replies(numbered[-1][1][-1], lambda k: words[int(k)])) + "\n")
                    SCORES += [score(before + [{"role": "assistant", "content": w}]) for w in words[first:]]
        want = plain(judge(numbered if name == "ppe" else numbered[0][1]))
        out = subprocess.run([os.environ["WILDREWARD"], "evaluate", "--suite", name, *paths, "--model", folder + "/model", "--precision", "f32", "--out", "-",
                              "--suite-scores", folder + "/scores.jsonl"], check=True, capture_output=True, text=True).stdout
        got = sorted(x for line in open(folder + "/scores.jsonl") for x in json.loads(line)["scores"])
        decided = sorted(SCORES) if name != "ppe" else None  # people's ties are not scored
        if decided is not None:
            assert len(got) == len(decided) and max(abs(g - w) for g, w in zip(got, decided)) < 1e-4, name
        compare(json.loads(out), want, name)
        print(f"{name}: {len(got)} scores, overall {want['overall']}")
    shutil.rmtree(folder)


def compare(got, want, name):
    for key, w in want.items():
        if isinstance(w, dict):
            compare(got[key], w, f"{name}.{key}")
        else:
            assert w is None and got[key] is None or abs(got[key] - w) < 1e-6, f"{name}.{key}: {got[key]}, not {w}"


if sys.argv[1] == "live":
    warnings.simplefilter("ignore")
    live(sys.argv[2], sys.argv[3])
elif sys.argv[1] == "cases":
    cases(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 100)
else:
    published(sys.argv[2])
