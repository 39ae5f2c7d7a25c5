#!/usr/bin/env python3
"""Writes text/tokenizer/unicode_data.c and unicode_data_sets.c: categories, scripts, a few properties and the case folds as the regular expressions of Hugging Face
tokenizers know them, asked of the package itself, code point by code point.

usage: tokenizer_tables.py [OUT.c]        (needs: tokenizers; five minutes)
"""
import os, sys
from tokenizers import PreTokenizedString, Regex, pre_tokenizers

CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn".split()
SCRIPTS = """Adlm=Adlam Aghb=Caucasian_Albanian Ahom=Ahom Arab=Arabic Armi=Imperial_Aramaic Armn=Armenian Avst=Avestan Bali=Balinese Bamu=Bamum Bass=Bassa_Vah
Batk=Batak Beng=Bengali Bhks=Bhaiksuki Bopo=Bopomofo Brah=Brahmi Brai=Braille Bugi=Buginese Buhd=Buhid Cakm=Chakma Cans=Canadian_Aboriginal Cari=Carian Cham=Cham
Cher=Cherokee Chrs=Chorasmian Copt=Coptic Cpmn=Cypro_Minoan Cprt=Cypriot Cyrl=Cyrillic Deva=Devanagari Diak=Dives_Akuru Dogr=Dogra Dsrt=Deseret Dupl=Duployan
Egyp=Egyptian_Hieroglyphs Elba=Elbasan Elym=Elymaic Ethi=Ethiopic Gara=Garay Geor=Georgian Glag=Glagolitic Gong=Gunjala_Gondi Gonm=Masaram_Gondi Goth=Gothic
Gran=Grantha Grek=Greek Gujr=Gujarati Gukh=Gurung_Khema Guru=Gurmukhi Hang=Hangul Hani=Han Hano=Hanunoo Hatr=Hatran Hebr=Hebrew Hira=Hiragana
Hluw=Anatolian_Hieroglyphs Hmng=Pahawh_Hmong Hmnp=Nyiakeng_Puachue_Hmong Hung=Old_Hungarian Ital=Old_Italic Java=Javanese Kali=Kayah_Li Kana=Katakana Kawi=Kawi
Khar=Kharoshthi Khmr=Khmer Khoj=Khojki Kits=Khitan_Small_Script Knda=Kannada Krai=Kirat_Rai Kthi=Kaithi Lana=Tai_Tham Laoo=Lao Latn=Latin Lepc=Lepcha Limb=Limbu
Lina=Linear_A Linb=Linear_B Lisu=Lisu Lyci=Lycian Lydi=Lydian Mahj=Mahajani Maka=Makasar Mand=Mandaic Mani=Manichaean Marc=Marchen Medf=Medefaidrin
Mend=Mende_Kikakui Merc=Meroitic_Cursive Mero=Meroitic_Hieroglyphs Mlym=Malayalam Modi=Modi Mong=Mongolian Mroo=Mro Mtei=Meetei_Mayek Mult=Multani Mymr=Myanmar
Nagm=Nag_Mundari Nand=Nandinagari Narb=Old_North_Arabian Nbat=Nabataean Newa=Newa Nkoo=Nko Nshu=Nushu Ogam=Ogham Olck=Ol_Chiki Onao=Ol_Onal Orkh=Old_Turkic
Orya=Oriya Osge=Osage Osma=Osmanya Ougr=Old_Uyghur Palm=Palmyrene Pauc=Pau_Cin_Hau Perm=Old_Permic Phag=Phags_Pa Phli=Inscriptional_Pahlavi Phlp=Psalter_Pahlavi
Phnx=Phoenician Plrd=Miao Prti=Inscriptional_Parthian Rjng=Rejang Rohg=Hanifi_Rohingya Runr=Runic Samr=Samaritan Sarb=Old_South_Arabian Saur=Saurashtra
Sgnw=SignWriting Shaw=Shavian Shrd=Sharada Sidd=Siddham Sind=Khudawadi Sinh=Sinhala Sogd=Sogdian Sogo=Old_Sogdian Sora=Sora_Sompeng Soyo=Soyombo Sund=Sundanese
Sunu=Sunuwar Sylo=Syloti_Nagri Syrc=Syriac Tagb=Tagbanwa Takr=Takri Tale=Tai_Le Talu=New_Tai_Lue Taml=Tamil Tang=Tangut Tavt=Tai_Viet Telu=Telugu Tfng=Tifinagh
Tglg=Tagalog Thaa=Thaana Thai=Thai Tibt=Tibetan Tirh=Tirhuta Tnsa=Tangsa Todr=Todhri Toto=Toto Tutg=Tulu_Tigalari Ugar=Ugaritic Vaii=Vai Vith=Vithkuqi
Wara=Warang_Citi Wcho=Wancho Xpeo=Old_Persian Xsux=Cuneiform Yezi=Yezidi Yiii=Yi Zanb=Zanabazar_Square Zinh=Inherited Zyyy=Common""".split()
PROPERTIES = """Other_Alphabetic Other_Lowercase Other_Uppercase Emoji Emoji_Presentation Emoji_Modifier Emoji_Modifier_Base Emoji_Component Extended_Pictographic
Ideographic Unified_Ideograph Dash Diacritic Variation_Selector Regional_Indicator""".split()

def spans(step, text):
    """Where the pieces begin and end, in bytes: places in characters, as pre_tokenize_str gives them, take ten times as long."""
    whole = PreTokenizedString(text)
    step.pre_tokenize(whole)
    return [place for _, place, _ in whole.get_splits("original", "byte")]

def members(step, codes):
    """The code points that the step, which removes them, cuts out of a text of all."""
    found, data = set(codes), "".join(map(chr, codes)).encode()
    for a, b in spans(step, data.decode()):
        found.difference_update(map(ord, data[a:b].decode()))
    return found

def matches(pattern, codes=CODES):
    return members(pre_tokenizers.Split(Regex(pattern), "removed"), codes)

def ranges(codes):
    runs = []
    for c in sorted(codes):
        if runs and runs[-1][1] == c - 1:
            runs[-1][1] = c
        else:
            runs.append([c, c])
    return runs

def wrap(items, width=150):
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > width:
            lines.append(line)
            line = "   "
        line += " " + item + ","
    return "\n".join(lines + [line])

def breaks(value_of):
    """Where a value begins that the code point before does not have: code << 8 | value."""
    items, last = [], None
    for c in range(0x110000):
        v = value_of.get(c, 0)
        if v != last:
            items.append(f"0x{c << 8 | v:X}")
            last = v
    return items

def table_name(name):
    """As the program looks for it. What is only a part of a property begins with a dot, which no pattern can write."""
    return name.lower().replace("other_", ".").replace("_", "")

def class_of(codes):
    return "".join(r"\x{%X}-\x{%X}" % (a, b) for a, b in ranges(codes))

def fold_groups(assigned, category):
    """Groups of characters that are equal under (?i). Few have equals, so many are asked for at once: in two ways to share them out among questions, so that no two
    are in one question both times, and what a question finds beside its own has equals. Only these are asked for one by one."""
    kinds = [CATEGORIES.index(x) for x in ("Lu", "Ll", "Lt", "Lm", "Mn", "Nl", "So", "Lo")]
    cased = [c for c in assigned if category[c] in kinds and not 0x3400 <= c < 0xA000 and not 0xAC00 <= c < 0xD7A4 and not 0x11FFF < c < 0x16E00 and not 0x16FE4 < c < 0x1D000 and c < 0x1F200]
    rest = sorted(set(assigned).difference(cased))
    for bit in range(len(rest).bit_length()): # none of the others has equals: any two differ in a bit of their numbers
        some = [c for i, c in enumerate(rest) if i >> bit & 1]
        for part in (some[i : i + 8000] for i in range(0, len(some), 8000)): # a class has 10,000 ranges at most
            assert not matches("(?i)[" + class_of(part) + "]", assigned).difference(some), bit
    def find(questions, codes):
        apart = [x for c in codes for x in (c, 0x7C)] # so that no two of them are what one folds to
        for question in filter(None, questions):
            yield question, matches("(?i)(?:" + "|".join(r"\x{%X}" % c for c in question) + ")", apart)
    assert 199 * 211 > len(cased)
    shares = lambda codes: [codes[i::n] for n in (199, 211) for i in range(n)]
    folding = sorted({c for question, found in find(shares(cased), cased) for c in found.difference(question)})
    alone = sorted(set(cased).difference(folding))
    for question, found in find(shares(alone), cased):
        assert found == set(question), question
    groups, seen = [], set()
    for (c,), group in find([[c] for c in folding], folding):
        if c not in seen and len(group) > 1:
            groups.append(sorted(group))
            seen.update(group)
    return groups

def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "model", "tokenizer", "unicode_data.c")
    category = {c: CATEGORIES.index("Cn") for c in CODES}
    left = CODES
    for i, name in enumerate(CATEGORIES[:-1]):
        found = matches(r"\p{%s}" % name, left)
        category.update(dict.fromkeys(found, i))
        left = [c for c in left if c not in found]
    category.update(dict.fromkeys(range(0xD800, 0xE000), CATEGORIES.index("Cn")))
    assigned = [c for c in CODES if category[c] not in (CATEGORIES.index("Cn"), CATEGORIES.index("Co"))]
    script, left = {}, assigned
    for i, pair in enumerate(SCRIPTS):
        found = matches(r"\p{%s}" % pair.split("=")[1], left)
        script.update(dict.fromkeys(found, i + 1))
        left = [c for c in left if c not in found]
    print(len(left), "characters without a script", file=sys.stderr)
    properties = {}
    for name in PROPERTIES:
        properties[name] = ranges(matches(r"\p{%s}" % name, assigned if name != "Extended_Pictographic" else assigned + [c for c in range(0x1F000, 0x20000) if category[c] == CATEGORIES.index("Cn")]))
    # What the steps that are not patterns take for punctuation: ASCII's, and P of an old Unicode.
    properties["Old_Punctuation"] = ranges(members(pre_tokenizers.Punctuation("removed"), CODES))

    groups = fold_groups(assigned, category)
    words = {}
    for c in assigned:
        folded = chr(c).casefold()
        if len(folded) > 1:
            words[c] = folded
    smallest = {c: g[0] for g in groups for c in g}
    pairs = sorted({(smallest.get(ord(x), ord(x)), smallest.get(ord(y), ord(y))) for f in words.values() for x, y in zip(f, f[1:])})
    print(len(groups), "fold groups;", len(words), "characters fold to several, of", len(pairs), "pairs", file=sys.stderr)

    with open(out, "w", encoding="ascii") as f:
        p = lambda *a: print(*a, file=f)
        p("/* Written by tests/oracle/tokenizer_tables.py; Unicode 16. */")
        p('#include "text/tokenizer/unicode_data.h"\n')
        p("/* clang-format off */")
        p("const char unicode_category_names[][3] = {\n" + wrap([f'"{c}"' for c in CATEGORIES]) + "\n};\n")
        items = breaks(category)
        p(f"const uint32_t unicode_categories[] = {{\n{wrap(items)}\n}};\nconst size_t unicode_n_categories = {len(items)};\n")
        items = breaks(script)
        p(f"const uint32_t unicode_scripts[] = {{\n{wrap(items)}\n}};\nconst size_t unicode_n_scripts = {len(items)};\n")
        names = [x.replace("_", "").lower().split("=") for x in SCRIPTS]
        p(f'const unicode_script_name unicode_script_names[] = {{\n{wrap([chr(123) + chr(34) + a + chr(34) + ", " + chr(34) + b + chr(34) + chr(125) for a, b in names])}\n}};')
        p(f"const size_t unicode_n_script_names = {len(names)};\n")
        p("/* clang-format on */")
    with open(out.replace("_data", "_data_sets"), "w", encoding="ascii") as f:
        p = lambda *a: print(*a, file=f)
        p("/* Written by tests/oracle/tokenizer_tables.py; Unicode 16. */")
        p('#include "text/tokenizer/unicode_data.h"\n')
        p("/* clang-format off */")
        for name, runs in properties.items():
            p(f"static const unicode_range {name.lower()}[] = {{\n{wrap([f'{{0x{a:X}, 0x{b:X}}}' for a, b in runs])}\n}};")
        p("\nconst unicode_property unicode_properties[] = {\n" + wrap([f'{{"{table_name(n)}", {n.lower()}, {len(r)}}}' for n, r in properties.items()]) + "\n};")
        p(f"const size_t unicode_n_properties = {len(properties)};\n")
        flat = sorted((c, g[0]) for g in groups for c in g[1:])
        p(f"const unicode_range unicode_folds[] = {{\n{wrap([f'{{0x{c:X}, 0x{a:X}}}' for c, a in flat])}\n}};\nconst size_t unicode_n_folds = {len(flat)};\n")
        long = sorted(words)
        p(f"const unicode_range unicode_long_folds[] = {{\n{wrap([f'{{0x{a:X}, 0x{b:X}}}' for a, b in ranges(long)])}\n}};\nconst size_t unicode_n_long_folds = {len(ranges(long))};")
        p(f"const unicode_range unicode_long_pairs[] = {{\n{wrap([f'{{0x{a:X}, 0x{b:X}}}' for a, b in pairs])}\n}};\nconst size_t unicode_n_long_pairs = {len(pairs)};")
        p("/* clang-format on */")

if __name__ == "__main__":
    main()
