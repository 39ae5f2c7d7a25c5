"""prepare_plain.py RULES_DIR CHATS.jsonl.zst OUT.jsonl.zst: what prepare --no-tokens --no-chats does, as one writes it in plain Python: json, and the regexes
of data/rules (those that `re` can compile) one after the other. Prints {"bytes", "seconds" (CPU), "mb_s", "turns", "instances", "rules"}."""
import io, json, os, re, sys, time
import zstandard


def rules(path, key):
    """[(value of key, compiled regex, place)] of a rule file."""
    defines, out, skipped = {}, [], 0
    value, place, parts = None, "early", []

    def close():
        nonlocal skipped
        if parts:
            try:
                out.append((value, re.compile(r"(?<!\w)(?:" + "|".join(parts) + r")(?!\w)", re.I), place))
            except re.error:
                skipped += 1

    def expand(text):
        return re.sub(r"\{([A-Z]+)\}", lambda m: defines.get(m.group(1), m.group(0)), text)

    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if line.startswith("define "):
            name, _, text = line[7:].partition(" ")
            defines[name] = expand(text)
        elif line.startswith("rule "):
            close()
            value, place, parts = None, "early", []
        elif line.startswith("  "):
            word, _, rest = line[2:].partition(" ")
            if word == "|":
                parts.append("(?:" + expand(rest) + ")")
            elif word == key:
                value = rest
            elif word == "place":
                place = rest
    close()
    return out, skipped


def main():
    folder, source, target = sys.argv[1:4]
    lexicon, skipped = rules(os.path.join(folder, "lexicon.txt"), "level")
    filters, more = rules(os.path.join(folder, "filters.txt"), "filter")
    refusals, yet_more = rules(os.path.join(folder, "refusals.txt"), "kind")
    lexicon = [(int(level), regex, place) for level, regex, place in lexicon if level]
    begin, size, turns, instances, seen = time.process_time(), 0, 0, 0, set()
    with open(source, "rb") as raw, open(target, "wb") as out_raw:
        out = zstandard.ZstdCompressor(level=1).stream_writer(out_raw)
        for line in io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw), 1 << 20):
            size += len(line)
            row = json.loads(line)
            if row["conversation_hash"] in seen:
                continue
            seen.add(row["conversation_hash"])
            messages = row["conversation"]
            for i in range(2, len(messages)):
                if messages[i]["role"] != "user" or messages[i - 1]["role"] != "assistant" or messages[i - 2]["role"] != "user":
                    continue
                turns += 1
                text, query, reply = messages[i]["content"], messages[i - 2]["content"], messages[i - 1]["content"]
                early, far, level = text[:400], text[:2000], 3
                for rule_level, regex, place in lexicon:
                    if regex.search(far if place == "anywhere" else early):
                        level = min(level, rule_level) if rule_level < 3 else max(level, rule_level) if level >= 3 else level
                if len(reply) < 300:
                    for _, regex, _ in refusals:
                        if regex.search(reply):
                            level = 1
                            break
                if level == 3 or len(query.split()) < 5 or len(reply.split()) < 10 or i > 22:
                    continue
                if any(regex.search(query) for _, regex, _ in filters):
                    continue
                instances += 1
                out.write(json.dumps({"id": row["conversation_hash"], "turn": i, "level": level, "history": messages[: i - 2], "query": query, "reply": reply},
                                     ensure_ascii=False).encode() + b"\n")
        out.close()
    seconds = time.process_time() - begin
    print(json.dumps({"bytes": size, "seconds": seconds, "mb_s": size / seconds / 1e6, "turns": turns, "instances": instances,
                      "rules": len(lexicon) + len(filters) + len(refusals), "not_compiled": skipped + more + yet_more}))


main()
