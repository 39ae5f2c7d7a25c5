#!/usr/bin/env python3
"""Writes tests/golden/jinja_cases.jsonl: constructs of Jinja, one template a line, and what transformers makes of them (want null: it refuses them), and
FNV-1a hashes of what Python's str methods make of every character below U+33000 (with ALL_CODES=1, as test_jinja then wants them, of all).

usage: jinja_golden.py [OUT.jsonl]        (needs: transformers, jinja2 3.1; Python 3.11, that is Unicode 14)
"""
import json, os, sys, unicodedata
from transformers.utils.chat_template_utils import render_jinja_template

assert unicodedata.unidata_version == "14.0.0"
here = os.path.dirname(os.path.abspath(__file__))
CHAT = [{"role": "system", "content": "Be k\u00ednd."}, {"role": "user", "content": " Hi <b> & 'x'\n"}, {"role": "assistant", "content": "A \u00df\u4f60"}, {"role": "user", "content": "1,2,3"}]
TEMPLATES = r'''
{{ 'x' | int(5) }}
{{ 'x' | int(default=7) }}
{{ '1f' | int(0, 16) }}
{{ messages | map(attribute='name', default='-') | join }}
{{ ['a','A'] | unique | join }}
{{ "it's a dog's life" | title }}
{{ [] == () }}
{% for x in [1,2,3] %}{% if loop.first %}{% set y = x %}{% endif %}[{{ y }}]{% endfor %}
{{ messages | tojson }}
{{ {'a':'<é&>'} | tojson(indent=2) }}
{{ tools | selectattr('a','equalto','b') | list | length }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set x = 1, 2 %}{{ x }}
{% raw %}{{ keep }} {% this %}{% endraw %}
a {%- raw -%} {{ x }} {%- endraw -%} b
{% macro f(a, b=2) %}[{{ a }}{{ b }}]{% endmacro %}{{ f(*['x', 'y']) }}{{ f(**{'a': 1, 'b': 3}) }}
{{ '<x{}>'.format(':v1') }}{{ '{0}-{n}'.format(1, n=2) }}{{ '%s|%d' | format('a', 3) }}{{ '%s' % 'q' }}
{% for k, v in {512: 'b', 0: 'a', 1024: 'c'} | dictsort %}{{ k }}{{ v }}{% endfor %}
{{ messages }}
{{ messages[0].items() }}
{{ 1e5 }} {{ 1_000 }} {{ 0x1f }} {{ 1.5e-7 }} {{ 10**20 }} {{ 2**3**2 }} {{ 7 // -2 }} {{ -7 % 3 }} {{ 7.5 % -2 }}
{{ 1 < 2 < 3 }}{{ 1 < 3 < 2 }}
{{ bos_token }}{% set bos_token = 'x' %}{{ bos_token }}
{% for m in messages %}{{ bos_token }}{% endfor %}{% set bos_token = '' %}
{% macro m() %}{{ bos_token }}{% endmacro %}{{ m() }}{% set bos_token = 'q' %}{{ m() }}
{% for m in messages if not ns %}{{ loop.length }}{{ loop.last }}{{ loop.nextitem.role }}{{ loop.previtem.role }}{% endfor %}
{% set ns = namespace(done=false) %}{% for m in messages if not ns.done %}{{ m.role }}{% if m.role == 'user' %}{% set ns.done = true %}{% endif %}{% endfor %}
{% for i in [1,[2,[3,4]],5] recursive %}{{ loop.depth }}:{% if i is iterable %}{{ loop(i) }}{% else %}{{ i }}{% endif %},{% endfor %}
{% call(x) m(1) %}y{% endcall %}
{% macro m(a) %}<{{ caller(a) }}|{{ varargs }}|{{ kwargs }}>{% endmacro %}{% call(x) m(1, 2, z=3) %}y{{ x }}{% endcall %}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% generation %}{% set q = 1 %}{{ q }}{% endgeneration %}{{ q }}
{% filter upper %}a{{ messages[2].content }}{% endfilter %}
{{ messages | groupby('role') }}
{% for g in messages | groupby('role') %}{{ g.grouper }}{{ g.list | length }}{% endfor %}
{{ [3,1,2] | sort(reverse=true) }} {{ messages | sort(attribute='role') | map(attribute='role') | list }}
{{ 'a' is sameas 'a' }}
{{ x is sequence }}{{ x is iterable }}{{ x is callable }}
{{ (1,) }} {{ () }} {{ [1, 'a', none, true, 1.0] }} {{ {'a': "it's", 1: 2} }}
{{ range(3) }} {{ range(10)[2:8:2] }} {{ range(3) | list }} {{ range(3) | length }}
{{ messages | map(attribute='role') }}
{{ 'abc'[::-1] }} {{ 'abcdef'[1:-1:2] }} {{ [1,2,3][-2:] }} {{ 'abc'[5] }}
{{ 'ΑΣ' | lower }} {{ 'ß' | upper }} {{ 'ǆ' | title }} {{ 'ŉ'.upper() }} {{ 'ﬁ'.title() }}{{ 'İ'.lower() | length }}
{{ 5 | string | length }}{{ 3.0 }}{{ 3.10 }}{{ 1e16 }}{{ 1e15 }}{{ 0.0001 }}{{ 0.00001 }}{{ -0.0 }}
{{ 'a b  c'.split() }} {{ ' a b  c '.split(none, 1) }} {{ ' a b  c '.rsplit(none, 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ''.split(',') }} {{ ''.split() }}
{{ 'aXbX'.replace('', '-') }} {{ 'aaa'.replace('a','b',2) }} {{ 'abc' | replace('b', 1) }}
{{ messages[0].foo.bar }}
{{ messages[0].foo }} {{ messages[0]['foo'] is defined }} {{ messages[9] is defined }}
{{ nope.x }}
{{ namespace(_a=1) }}
{% set ns = namespace() %}{% set ns._x = 1 %}
{{ ''.__class__ }}
{{ messages.append(1) }}
{{ messages.append }}
{{ 'a' ~ 1 ~ none ~ undefined_thing ~ [1] }}
{{ not true or true and false }}
{{ 'x' if false }}|{{ 'x' if true else 'y' }}
{{ [1,2] + [3] }} {{ (1,) + (2,) }} {{ [1]*3 }} {{ 'ab'*2 }} {{ 2*'ab' }}
{{ 'é' in 'caféé' }} {{ 1 in [1.0] }} {{ 'role' in messages[0] }} {{ none in [none] }} {{ 'a' not in 'b' }}
{{ -1 | abs }} {{ (-1) | abs }} {{ -1.5 | abs }} {{ 2.5 | round }} {{ 2.567 | round(2) }} {{ 2.1 | round(method='ceil') }} {{ 42 | round }} {{ 3 | round(1,'floor') }}
{{ messages | first }} {{ 'abc' | last }} {{ [] | first }} {{ [] | min }} {{ [3,1] | max }}
{{ 'hello world foo bar' | truncate(9) }} {{ 'x' | center(5) }}| {{ 'a\nb\n\nc' | indent(2) }} {{ 'a\nb' | indent('>>', true) }}
{{ 'foo bar' | wordcount }} {{ 13000 | filesizeformat }} {{ 'a<b' | e }} {{ ('a<b' | e) + '<' }} {{ ('<' | safe) ~ '<' }}
{{ [1,2,3,4,5] | batch(2, 'x') | list }} {{ [1,2,3,4,5] | slice(3) | list }} {{ [1,2] | sum }} {{ messages | map('length') | sum }}
{{ strftime_now('') }}|{{ dict(a=1, b=2) }} {{ dict([(1,2)]) }} {{ cycler('a','b').next() }}
{% set c = cycler('a','b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }} {% set j = joiner('|') %}{{ j() }}a{{ j() }}b
{{ 'x' is string }} {{ 1 is number }} {{ true is number }} {{ true is integer }} {{ 1.0 is float }} {{ {} is mapping }} {{ 3 is divisibleby 3 }} {{ 3 is odd }} {{ 1 is in [1] }} {{ 'A' is upper }} {{ 1 is lt 2 }}
{{ '\x41\u00e9\101\q\'' }}
{{ "a" "b" }}
{{ messages[0].get('x', 'd') }} {{ messages[0].get('x') }} {{ messages[0] | items | list }} {{ messages[0].keys() | list }}
{{ "%5.2f|%-5d|%05d|%x|%+d|%r|%%" % (3.14159, 42, 42, 255, 5, 'a') }}
{{ "{:>5}|{:<5}|{:^5}|{:05d}|{:.2f}|{:,}|{!r}|{:x}|{:%}".format('a', 'b', 'c', 42, 3.14159, 1234567, 'q', 255, 0.25) }}
{{ {'b':1,'a':2} | tojson(sort_keys=true, separators=(',',':')) }} {{ 'é😀' | tojson(ensure_ascii=true) }} {{ 1.0 | tojson }} {{ (1,2) | tojson }}
{% if 1 %}{{ 1 | foo }}{% endif %}
{{ 1 | foo }}
{% if 0 %}{{ 1 | foo }}{% endif %}ok
{{ (1 | foo) if false else 2 }}
{% for x in [] %}a{% else %}b{% endfor %}
{% for x in [1,2,3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{{ loop.cycle('o','e') }}{{ loop.changed(x) }}{% endfor %}
{% set x %}a{% endset %}{{ x }}{% set x | upper %}b{% endset %}{{ x }}
{{ x }}{% if true %}{% set x = 1 %}{% endif %}{{ x }}
{% for i in [1] %}{% set k = i %}{{ k }}{% endfor %}{{ k }}
  {% if true %}
  a
    {%- if true +%}
  b
  {%+ endif %}
  {% endif %}
{# c #}
z
{{ messages | selectattr('role', 'eq', 'user') | map(attribute='content') | list }} {{ [0,1,'',none,'a'] | select | list }} {{ [1,2,3] | reject('odd') | list }}
{{ ['a','b'] | map('upper') | join(',') }} {{ [1,2] | map('string') | list }}
{{ 'abc' | list }} {{ {'a':1} | list }} {{ 'abc' | reverse }} {{ [1,2] | reverse | list }}
{{ loop }}
{% macro a() %}{% endmacro %}{{ a }}
{{ 'ab'.startswith('a') }}{{ 'ab'.endswith(('x','b')) }}{{ 'ab'.find('b') }}{{ 'abab'.count('ab') }}{{ 'a'.isalpha() }}{{ 'x'.zfill(3) }}{{ '-5'.zfill(4) }}{{ 'a-b'.partition('-') }}
{{ 'a\tb'.expandtabs(4) }}|{{ 'a\nb\r\nc'.splitlines() }}{{ 'a\nb'.splitlines(true) }}{{ 'AbC'.swapcase() }}{{ 'abc'.center(6,'*') }}
{{ True }}{{ none }}{{ None == none }}
{{ 5 == 5.0 }}{{ true == 1 }}{{ 'a' == 1 }}{{ [1] == [1.0] }}{{ {'a':1} == {'a':1} }}
{{ "a" < "b" }}{{ [1,2] < [1,3] }}
{{ 1 < 'a' }}
{{ messages.0.role }}
{{ range(3).count(1) }}
{% print 1, 2 %}
{{ 1 if 2 else 3 if 0 }}
{{ [x for x in y] }}
{{ messages | length > 2 and true }}
{% for m in messages if not ns.done %}{{ m.role }}{% endfor %}
{% for x in [1,2] %}{% continue %}{% else %}none came to its end{% endfor %}
{% for x in [1,2] %}{% break %}{% else %}none came to its end{% endfor %}
{% filter length %}a{% endfilter %}
{% for m in messages %}{% generation %}{{ loop.index }}{% set x = 1 %}{% endgeneration %}{{ x }}{% endfor %}
{% for x in [1] %}{% generation %}{% break %}{% endgeneration %}{% endfor %}
{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}
{% set x = 1 %}{% macro m() %}{{ x }}{% set x = 2 %}{{ x }}{% endmacro %}{{ m() }}{{ x }}
{% for i in [1,2] %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}
{{ messages | map(attribute='content') | first }}{{ messages | map('nope') is defined }}
{{ 'a%sb' % [1] }}{{ 'x' % [1] }}{{ 'x' % {} }}
{{ 'x' % 1 }}
{{ '%(a)s %(b)05.1f' % {'a': 1, 'b': 2.25} }}{{ '%c%c' % ('a', 98) }}{{ '%*d' % (5, 3) }}
{{ '{a[b]} {c.role}'.format(a={'b': 1}, c=messages[0]) }}{{ '{:{w}}|'.format('a', w=4) }}
{{ '{:05.1f} {:+d} {: d} {:_} {:#x} {:>8} {:^8}|'.format(3.14159, 5, 5, 1234567, 255, 'é', 1.5) }}
{{ {1, 2} }}
{{ messages[0].items is defined }}{{ messages[0].nothing is defined }}{{ messages[0].pop is defined }}
{{ messages[0].pop('role') }}
{{ ''.join(['a', 1]) }}
{{ ['b', 'a', 'C'] | sort }}{{ ['b', 'a', 'C'] | sort(true, true) }}{{ ['b', 1] | sort }}
{{ [2, 1] | sort('yes') }}
{{ [{'a': 2, 'b': 1}, {'a': 1, 'b': 2}, {'a': 1, 'b': 1}] | sort(attribute='a,b') }}
{{ messages | groupby('role', default='x') | map(attribute=0) | list }}
{{ true + 1 }}{{ -true }}{{ 7 // 2.0 }}{{ 2 ** -1 }}{{ 2 ** 0.5 }}{{ 1 / 3 }}{{ 10 / 5 }}{{ 3 % -2 }}{{ -3.5 % 2 }}
{{ 1 / 0 }}
{{ 123456789012345678 * 10 % 7 }}
{{ 1e22 }} {{ 1.0e-5 }} {{ 123456789.123 }} {{ 5e-324 }} {{ 1e308 * 10 }}
{{ 'ΌΣΟΣ Σ ΑΣ.' | lower }}{{ 'ὈΔΥΣΣΕΎΣ'.title() }}{{ 'ﬃ ŉ ǰ ΐ' | upper }}{{ "o'neil-smith (x) [y]" | title }}{{ "o'neil".title() }}
{{ '\u3000\u00a0x\u2003' | trim }}|{{ '\x1cx\x85'.strip() }}|
{{ messages.role }}{{ messages.0 }}{{ messages['0'] }}
{{ none | default('a') }}{{ none | default('a', true) }}{{ nope | d(default_value='b') }}{{ '' | default('c', boolean=true) }}
{{ '12' | int + 1 }}{{ ' 12 ' | int }}{{ '1_2' | int }}{{ '12.7' | int }}{{ '1e3' | int }}{{ '0b11' | int(base=0) }}{{ none | int(5) }}{{ '٣' | int }}
{{ nope | int }}
{{ nope.a }}
{{ nope() }}
{{ loop.index }}
{% if nope == none %}a{% elif nope is undefined %}b{% endif %}
{{ messages | length // 3 }}{{ (messages | length) is divisibleby 2 }}
{{ 'a' if nope }}|{{ ('a' if nope) is defined }}
{{ dict(a=1) == {'a': 1} }}{{ dict(**{'b': 2}) }}{{ namespace(a=1).a }}
{{ [1, 2, 3][1:] | first }}{{ (1, 2)[0] }}{{ 'abc'[1:2] }}{{ [1,2,3][::-2] }}
{{ messages | selectattr('nope') | list }}{{ messages | rejectattr('role', 'in', ['user']) | map(attribute='role') | join('|') }}
{% set a.b = 1 %}
{% set a, b, c = 1, 2 %}
{% call nope() %}{% endcall %}
{% include 'x' %}
{%- macro m(x, y='d', *z) %}{% endmacro %}
{{ 'x' is nope }}
{% if false %}{{ 'x' | nope }}{% endif %}a
{{ cycler }}
{{ 'é' | urlencode }}'''.strip("\n").split("\n")


def fnv(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = (h ^ b) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


CODES = [c for c in range(0x110000 if os.environ.get("ALL_CODES") else 0x33000) if not 0xD800 <= c < 0xE000]
with open(sys.argv[1] if len(sys.argv) > 1 else os.path.join(here, "..", "golden", "jinja_cases.jsonl"), "w", encoding="utf-8") as f:
    for t in TEMPLATES:
        try:
            want = render_jinja_template([CHAT], chat_template=t, add_generation_prompt=True, bos_token="<s>", eos_token="</s>")[0][0]
        except Exception:
            want = None
        f.write(json.dumps({"template": t, "want": want}, ensure_ascii=False) + "\n")
    for method in ("upper", "lower", "title", "capitalize", "swapcase", "casefold"):
        f.write(json.dumps({"method": method, "fnv": fnv("\n".join(getattr(chr(c), method)() for c in CODES).encode())}) + "\n")
    for method in ("isupper", "islower", "istitle", "isalpha", "isalnum", "isdigit", "isdecimal", "isnumeric", "isspace", "isprintable"):
        f.write(json.dumps({"method": method, "fnv": fnv("\n".join(str(getattr(chr(c), method)()) for c in CODES).encode())}) + "\n")
