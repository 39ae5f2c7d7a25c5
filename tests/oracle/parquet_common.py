"""Random conversations, Parquet files of them in every supported form, and the JSON rows that say the same. Needs pyarrow."""
import datetime, json, struct
import pyarrow as pa
import pyarrow.parquet as pq

WORDS = ["Hello", "you", "ça", "naïve", "你好", "世界", "привет", "😀", "\n", "\t", "\"quoted\"", "back\\slash", "{json}", "0", "é", "한국어", "\u2028", ""]
COMPRESSIONS = ["none", "snappy", "gzip", "zstd"]
TEXT_ENCODINGS = ["dictionary", "PLAIN", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"]
NUMBER_ENCODINGS = ["dictionary", "PLAIN", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT"]
STAMPS = {"ms": pa.timestamp("ms", tz="UTC"), "us": pa.timestamp("us", tz="UTC"), "naive": pa.timestamp("us"), "ns": pa.timestamp("ns", tz="UTC"),
          "string": pa.string(), "int96": pa.timestamp("ns"), "null": pa.null(), "int": pa.int64(), "absent": None}
DIGITS = {"ms": 3, "us": 6, "naive": 6, "ns": 9, "int96": 9}
TURNS = {"int64": pa.int64(), "int32": pa.int32(), "uint8": pa.uint8(), "double": pa.float64(), "string": pa.string(), "absent": None}


def text(rng, most):
    if rng.random() < 0.1:
        return ""
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, max(1, most))))


def maybe(rng, share, value):
    return None if rng.random() < share else value


def header(rng, nulls):
    return maybe(rng, nulls, {"accept-language": maybe(rng, nulls, rng.choice(["en-US,en;q=0.9", "zh-CN", "\"odd\"\t\\ ü"])),
                              "user-agent": maybe(rng, nulls, "Mozilla/%d" % rng.randrange(5)), "dnt": maybe(rng, nulls, rng.random() < 0.5),
                              "port": maybe(rng, nulls, rng.randint(-5, 70000))})


def options(rng, **fixed):
    """Every choice that makes a file; those not given are drawn."""
    o = {"rows": rng.choice([0, 1, 7, 40, 300]), "nulls": rng.choice([0, 0.05, 0.4]), "words": rng.choice([3, 60, 400]), "messages": rng.choice([1, 4, 30]),
         "stamp": rng.choice(list(STAMPS)), "turn": rng.choice(list(TURNS)), "large": rng.random() < 0.3, "top_ip": rng.random() < 0.7,
         "message_ip": rng.random() < 0.7, "top_header": rng.random() < 0.5, "message_header": rng.random() < 0.5, "required": rng.random() < 0.3,
         "element": rng.choice(["element", "item", "array_element"]), "extra": rng.random() < 0.3, "groups": rng.choice([1, 2, 10]), "page": rng.choice([64, 1000, 1 << 20]),
         "codec": rng.choice(COMPRESSIONS), "version": rng.choice(["1.0", "2.0"]), "text": rng.choice(TEXT_ENCODINGS), "number": rng.choice(NUMBER_ENCODINGS),
         "bool": rng.choice(["PLAIN", "RLE"]), "dictionary_limit": rng.choice([50, 1000, 1 << 20]), "crc": rng.random() < 0.5, "index": rng.random() < 0.5,
         "statistics": rng.random() < 0.7, "flags": rng.random() < 0.9, "digits": 32, "arrow": rng.random() < 0.5}
    o.update(fixed)
    if o["required"]:
        o["nulls"] = 0
    return o


def rows_of(rng, o):
    rows = []
    for i in range(o["rows"]):
        nulls = o["nulls"]
        ns = rng.choice([0, 1, -1, 1_680_998_573_000_000_000, rng.randrange(-2_000_000_000, 4_000_000_000) * 1_000_000_000 + rng.randrange(10**9)])
        row = {"conversation_hash": maybe(rng, nulls / 4, ("%032x" % rng.getrandbits(128))[:o["digits"]]), "model": maybe(rng, nulls, rng.choice(["gpt-4", "gpt-3.5-turbo"])),
               "timestamp": maybe(rng, nulls, ns), "language": maybe(rng, nulls, rng.choice(["English", "Chinese", "Русский"]))}
        if o["flags"]:
            row["toxic"], row["redacted"] = maybe(rng, nulls, rng.random() < 0.3), maybe(rng, nulls, rng.random() < 0.3)
        if o["top_ip"]:
            row["hashed_ip"] = maybe(rng, nulls, rng.choice(["", ("%064x" % rng.getrandbits(256))[:2 * o["digits"]]]))
        if o["top_header"]:
            row["header"] = header(rng, nulls)
        messages = []
        for k in range(rng.choice([0, 1, 2, rng.randint(0, o["messages"])])):
            m = {"role": maybe(rng, nulls / 8, rng.choice(["user", "assistant"])), "content": maybe(rng, nulls / 8, text(rng, o["words"])),
                 "turn_identifier": maybe(rng, nulls, rng.choice([k, 100 + k, 200])), "language": maybe(rng, nulls, "English"), "toxic": maybe(rng, nulls, False)}
            if o["message_ip"]:
                m["hashed_ip"] = maybe(rng, nulls, rng.choice(["", ("%064x" % rng.getrandbits(256))[:2 * o["digits"]]]))
            if o["message_header"]:
                m["header"] = header(rng, nulls)
            messages.append(maybe(rng, nulls / 8, m))
        row["conversation"] = maybe(rng, nulls / 4, messages)
        if o["extra"]:
            row["openai_moderation"] = maybe(rng, nulls, [{"flagged": False, "scores": {"hate": rng.random()}, "tags": ["a"] * rng.randrange(3)} for _ in range(rng.randrange(3))])
        rows.append(row)
    return rows


def schema_of(o):
    string = pa.large_string() if o["large"] else pa.string()
    head = pa.struct([("accept-language", string), ("user-agent", string), ("dnt", pa.bool_()), ("port", pa.int32())])
    must = not o["required"]
    message = [pa.field("content", string, must), pa.field("role", string, must), pa.field("language", string), pa.field("toxic", pa.bool_())]
    if TURNS[o["turn"]] is not None:
        message.insert(1, pa.field("turn_identifier", TURNS[o["turn"]]))
    if o["message_ip"]:
        message.append(pa.field("hashed_ip", string))
    if o["message_header"]:
        message.insert(0, pa.field("header", head))
    element = pa.field(o["element"], pa.struct(message), must)
    conversation = pa.large_list(element) if o["large"] else pa.list_(element)
    fields = [pa.field("conversation_hash", string, must), pa.field("conversation", conversation, must), pa.field("model", string), pa.field("language", string)]
    if STAMPS[o["stamp"]] is not None:
        fields.append(pa.field("timestamp", STAMPS[o["stamp"]]))
    if o["flags"]:
        fields += [pa.field("toxic", pa.bool_()), pa.field("redacted", pa.bool_(), must)]
    if o["top_ip"]:
        fields.insert(0, pa.field("hashed_ip", string))
    if o["top_header"]:
        fields.append(pa.field("header", head))
    if o["extra"]:
        fields.insert(2, pa.field("openai_moderation", pa.list_(pa.struct([("flagged", pa.bool_()), ("scores", pa.struct([("hate", pa.float64())])), ("tags", pa.list_(pa.string()))]))))
    return pa.schema(fields)


def rfc3339(ns, digits):
    second, fraction = divmod(ns, 10**9)
    stamp = (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=second)).isoformat()
    fraction //= 10 ** (9 - digits)
    return stamp + (".%0*d" % (digits, fraction) if fraction else "") + "Z"


def bare_number(value):
    """A time without a unit: by its size in seconds, milli-, micro- or nanoseconds; earlier than 2001 it is none."""
    scale = 1 if value < 1e11 else 10**3 if value < 1e14 else 10**6 if value < 1e17 else 10**9
    return rfc3339(value // scale * 10**9, 9) if value >= 10**9 else ""


def stored(row, o):
    """The row as pyarrow is to be given it."""
    out, ns = dict(row), row["timestamp"]
    unit = {"ms": 10**6, "us": 10**3, "naive": 10**3, "ns": 1, "int96": 1, "int": 1}.get(o["stamp"])
    out["timestamp"] = None if ns is None or o["stamp"] == "null" else "2023-04-09 00:02:53" if o["stamp"] == "string" else ns // unit if unit else None
    if out["conversation"] is not None:
        convert = {"double": float, "string": str}.get(o["turn"], int)
        out["conversation"] = [m if m is None else dict(m, turn_identifier=None if m["turn_identifier"] is None else convert(m["turn_identifier"])) for m in out["conversation"]]
    return out


def as_json(row, o):
    """The same row as a line of JSON: what the schema has, in its order."""
    out, row = {}, stored(row, o)
    for field in schema_of(o):
        value = row[field.name]
        if field.name == "conversation" and value is not None:
            value = [m if m is None else {f.name: m.get(f.name) for f in field.type.value_type} for m in value]
        if field.name == "timestamp" and value is not None and o["stamp"] in DIGITS:
            value = rfc3339(value * 10 ** (9 - DIGITS[o["stamp"]]), DIGITS[o["stamp"]])
        out[field.name] = value
    return json.dumps(out, ensure_ascii=False)


def leaves(schema):
    """Parquet's path and Arrow's type of every column."""
    def walk(path, t):
        if pa.types.is_struct(t):
            for f in t:
                yield from walk(path + "." + f.name, f.type)
        elif pa.types.is_list(t) or pa.types.is_large_list(t):
            yield from walk(path + ".list.element", t.value_type)
        else:
            yield path, t
    for field in schema:
        yield from walk(field.name, field.type)


def write(path, rows, o):
    schema = schema_of(o)
    table = pa.Table.from_pylist([{f.name: r[f.name] for f in schema} for r in (stored(row, o) for row in rows)], schema=schema)
    compliant, encodings, dictionary = o["element"] == "element", {}, []
    for column, t in leaves(schema):
        if not compliant:
            column = column.replace("conversation.list.element", "conversation.list." + o["element"]).replace("openai_moderation.list.element", "openai_moderation.list.item")
            column = column.replace("tags.list.element", "tags.list.item")
        is_text = pa.types.is_string(t) or pa.types.is_large_string(t)
        number = (pa.types.is_integer(t) or pa.types.is_timestamp(t)) and not (o["stamp"] == "int96" and pa.types.is_timestamp(t))
        if is_text and o["text"] != "dictionary":
            encodings[column] = o["text"]
        elif number and o["number"] != "dictionary":
            encodings[column] = o["number"]
        elif pa.types.is_boolean(t):
            encodings[column] = o["bool"]
        elif not pa.types.is_null(t):
            dictionary.append(column)
    size = max(1, -(-len(rows) // o["groups"])) if rows else 1
    with pq.ParquetWriter(path, schema, compression=o["codec"], data_page_version=o["version"], use_dictionary=dictionary or False, column_encoding=encodings or None,
                          data_page_size=o["page"], write_batch_size=8 if o["page"] < 10000 else 1024, dictionary_pagesize_limit=o["dictionary_limit"],
                          write_page_checksum=o["crc"], write_page_index=o["index"], write_statistics=o["statistics"], use_compliant_nested_type=compliant,
                          use_deprecated_int96_timestamps=o["stamp"] == "int96", version="2.6", store_schema=o["arrow"]) as writer:
        if rows or o["groups"] == 1:
            writer.write_table(table, row_group_size=size)


# --- footers anew: schemas and flags that pyarrow does not write ------------------------------------------------------------------------------
def _varint(b, at):
    value = shift = 0
    while True:
        value |= (b[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if not b[at - 1] & 128:
            return value, at


def _put(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _decode(b, at, kind):
    if kind in (1, 2):
        return kind, at
    if kind == 3:
        return b[at], at + 1
    if kind in (4, 5, 6):
        value, at = _varint(b, at)
        return value >> 1 ^ -(value & 1), at
    if kind == 7:
        return b[at:at + 8], at + 8
    if kind == 8:
        n, at = _varint(b, at)
        return b[at:at + n], at + n
    if kind in (9, 10):
        head, at = b[at], at + 1
        n, at = (head >> 4, at) if head >> 4 < 15 else _varint(b, at)
        items = []
        for _ in range(n):
            item, at = (b[at], at + 1) if head & 15 in (1, 2) else _decode(b, at, head & 15)
            items.append(item)
        return (head & 15, items), at
    fields, last = {}, 0
    while b[at]:
        head, at = b[at], at + 1
        last = last + (head >> 4)
        value, at = _decode(b, at, head & 15)
        fields[last] = (head & 15, value)
    return fields, at + 1


def _encode(kind, value):
    if kind in (1, 2):
        return b""
    if kind == 3:
        return bytes([value])
    if kind in (4, 5, 6):
        return _put(value << 1 if value >= 0 else (-value << 1) - 1)
    if kind == 7:
        return value
    if kind == 8:
        return _put(len(value)) + value
    if kind in (9, 10):
        inner, items = value
        n = len(items)
        out = bytes([n << 4 | inner]) if n < 15 else bytes([15 << 4 | inner]) + _put(n)
        return out + b"".join(bytes([i]) if inner in (1, 2) else _encode(inner, i) for i in items)
    out, last = b"", 0
    for number in sorted(value):
        inner, item = value[number]
        out += bytes([number - last << 4 | (item if inner in (1, 2) else inner)]) + _encode(inner, item)
        last = number
    return out + b"\0"


def edit_footer(path, edit):
    """edit(metadata): fields of FileMetaData as {number: (thrift type, value)}, changed in place."""
    with open(path, "rb") as f:
        b = f.read()
    n = struct.unpack("<I", b[-8:-4])[0]
    metadata, _ = _decode(b[-8 - n:-8], 0, 12)
    edit(metadata)
    footer = _encode(12, metadata)
    with open(path, "wb") as f:
        f.write(b[:-8 - n] + footer + struct.pack("<I", len(footer)) + b"PAR1")
