#!/usr/bin/env python3
"""Writes text/chat/jinja_unicode_tables.inc: what Python's str methods know of characters, for the Jinja of chat templates.

usage: unicode_tables.py        (Python 3.11: Unicode 14.0; another version is refused, so that the tables do not change by chance)
"""
import os, sys, unicodedata

if unicodedata.unidata_version != "14.0.0":
    sys.exit(f"Unicode {unicodedata.unidata_version}; the tables are those of 14.0.0 (Python 3.11)")
here = os.path.dirname(os.path.abspath(__file__))
CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def final(s):
    return s.lower()[-1] == "\u03c2"


def runs(codes):
    """Sorted numbers as (first, last, step): steps of 1 or 2."""
    out, i = [], 0
    while i < len(codes):
        best = 1
        for step in (1, 2):
            n = 1
            while i + n < len(codes) and codes[i + n] == codes[i] + n * step:
                n += 1
            if n > best:
                best, chosen = n, step
        if best == 1:
            chosen = 1
        out.append((codes[i], codes[i + best - 1], chosen))
        i += best
    return out


def print_table(f, kind, name, rows):
    f.write(f"static const {kind} {name}[] = {{\n")
    line = "   "
    for row in rows:
        cell = " " + (f"{row[0]}," if len(row) == 1 else "{" + ",".join(str(x) for x in row) + "},")
        if len(line) + len(cell) > 118:
            f.write(line + "\n")
            line = "   "
        line += cell
    f.write(line + "\n};\n")


def mapping(f, name, convert):
    by_delta, special = {}, []
    for c in CODES:
        to = convert(chr(c))
        if to == chr(c):
            continue
        if len(to) == 1:
            by_delta.setdefault(ord(to) - c, []).append(c)
        else:
            special.append((c, *[ord(x) for x in to], *[0] * (3 - len(to))))
    rows = sorted((a, b, s, d) for d, codes in by_delta.items() for a, b, s in runs(codes))
    print_table(f, "unicode_shift", name + "_shifts", rows)
    print_table(f, "unicode_special", name + "_specials", special or [(0, 0, 0, 0)])


SETS = {
    "uppercase": str.isupper,
    "lowercase": str.islower,
    "titlecase": lambda c: unicodedata.category(c) == "Lt",
    "ignorable": lambda c: final("A" + c + "\u03a3") and not final("1" + c + "\u03a3"),
    "alphabetic": str.isalpha,
    "digit": str.isdigit,
    "numeric": str.isnumeric,
    "space": str.isspace,
    "printable": str.isprintable,
}
with open(os.path.join(here, "..", "..", "model", "chat", "jinja_unicode_tables.inc"), "w", encoding="ascii") as f:
    f.write("/* Made by tests/oracle/unicode_tables.py: Unicode 14.0, as Python 3.11 has it. Included by jinja_unicode.c. */\n// clang-format off\n")
    mapping(f, "upper", str.upper)
    mapping(f, "lower", lambda c: c.lower())
    mapping(f, "title", str.title)
    mapping(f, "fold", str.casefold)
    for name, holds in SETS.items():
        print_table(f, "unicode_run", name, runs([c for c in CODES if holds(chr(c))]))
    decimals = [c for c in CODES if chr(c).isdecimal()]  # tens in a row, from zero
    zeros = [c for c in decimals if unicodedata.decimal(chr(c)) == 0]
    assert decimals == [z + i for z in zeros for i in range(10)]
    print_table(f, "uint32_t", "decimal_zeros", [(z,) for z in zeros])
    f.write("// clang-format on\n")
