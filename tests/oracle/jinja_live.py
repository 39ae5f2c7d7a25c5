#!/usr/bin/env python3
"""Published chat templates, and random Jinja: rendered as transformers does, or refused by name.

usage: jinja_live.py templates FOLDER…     each *.jinja below the folders and those of the package trl x 20 chats with tools, calls, reasoning, null contents
       jinja_live.py snippets FILE COUNT   random snippets and what transformers makes of them, for test_jinja (WILDREWARD_JINJA_CASES=FILE)

The folder vendor/llama.cpp/models/templates of llama-cpp-python's source package has 60 more templates:
  pip download --no-deps --no-binary :all: llama-cpp-python==VERSION
WILDREWARD: the program; WILDREWARD_SEED repeats the snippets; exit 1 on a difference. A list of parts as content is counted apart: where a template knows
texts alone, transformers fails or prints the list, and the program renders the parts' text.
"""
import collections, glob, json, os, random, re, shutil, subprocess, sys, tempfile

seed = int(os.environ.get("WILDREWARD_SEED", random.randrange(1 << 30)))
r = random.Random(seed)
ONE = '(1, "ceil")'
BYV = 'dictsort(by="value")'

# --- chats
TOOL=[{"type":"function","function":{"name":"get_weather","description":"Get <the> \"weather\" é","parameters":{"type":"object","properties":{"city":{"type":"string","description":"City"},"n":{"type":"integer","enum":[1,2]},"o":{"type":["string","null"],"default":None}},"required":["city"]}}},{"type":"function","function":{"name":"f2","description":"x","parameters":{"type":"object","properties":{}},"return":{"type":"string"}}}]
def user(c): return {"role":"user","content":c}
def system(c): return {"role":"system","content":c}
def assistant(c,**k): return {"role":"assistant","content":c,**k}
def call(args, id="call_1abcd"): return {"id":id,"type":"function","function":{"name":"get_weather","arguments":args}}
def tool(c,**k): return {"role":"tool","content":c,**k}
CH=[
 dict(messages=[user("Hi")]), dict(messages=[system("Be kind."),user("Hi é\n")]), dict(messages=[user("a"),assistant("b"),user("c")]), dict(messages=[system("S"),user("a"),assistant("b"),user("c"),assistant("d")]),
 dict(messages=[user("a"),assistant("<think>\nhm\n</think>\n\nb"),user("c")]), dict(messages=[user("a"),assistant("b",reasoning_content="because"),user("c")]), dict(messages=[user("a"),assistant("b",thinking="t1"),user("c"),assistant("d",reasoning="r2")]),
 dict(messages=[user("w?"),assistant("",tool_calls=[call({"city":"Rome","n":1})]),tool("sunny",name="get_weather",tool_call_id="call_1abcd"),user("ok")],tools=TOOL),
 dict(messages=[system("S"),user("w?"),assistant(None,tool_calls=[call({"city":"Rome"}),call({"city":"X","n":None},"call_2abcd")]),tool("{\"t\": 1}",tool_call_id="call_1abcd"),tool("rain",tool_call_id="call_2abcd"),assistant("done")],tools=TOOL),
 dict(messages=[user("w?")],tools=TOOL), dict(messages=[system("S"),user("w?")],tools=TOOL,enable_thinking=False), dict(messages=[user("w?")],enable_thinking=True), dict(messages=[user("w?")],enable_thinking=False),
 dict(messages=[user("w?"),assistant("think",tool_calls=[call("{\"city\": \"Rome\"}")],reasoning_content="rr"),tool("x",name="get_weather"),assistant("fin")],tools=TOOL[:1]),
 dict(messages=[user("a"),assistant(None),user("c")]), dict(messages=[user("a"),assistant("b",tool_calls=None,reasoning_content=None),user("c")]), dict(messages=[{"role":"developer","content":"D"},user("x")]),
 dict(messages=[user([{"type":"text","text":"part one"},{"type":"text","text":" two"}])]), dict(messages=[user("x")],tools=[]), dict(messages=[user("x"),assistant("y",reasoning_content="")],documents=[{"title":"T","text":"B"}]),
]

# --- random Jinja
STR=["''","'a'","'Abc dEf'","\"it's\"","'  x y '","'Straße ÉCOLE'","'ΑΣ ΣΑΣ'","'ǆabc ŉ'","'1,2,,3'","'a\\nb\\r\\nc\\x0bd'","'12'","'-7'","'3.14'","'1_000'","'0x1F'","'%s and %d'","'{} {0}'","'{a}-{b}'","'%(a)s'","messages[1].content","messages[2]['content']","bos_token","'\\u3000z\\u00a0'","'<b>&'","'true'","'٣٤'","'x' * 3","'tab\\tz'"]
INT=["0","1","2","-1","5","10","255","1000","-7","true","false","3"]
FLT=["0.5","1.0","-2.5","1e5","1e-7","1e16","3.14159","2.675","100.0","0.1 + 0.2"]
LST=["[]","[1, 2, 3]","['b', 'A', 'a']","[1.5, 1, true]","[none, 0, '']","messages","range(4)","(1, 2)","()","[[1, 2], [0]]","['a', 'b'] * 2","[3, 1, 2, 1]","[{'a': 1}, {'a': 2, 'b': 'x'}]","messages | map(attribute='role') | list","'a b c'.split()","range(5, 0, -2)"]
DCT=["{}","{'a': 1, 'b': 2}","{'B': 1, 'a': 'z', 'c': none}","messages[0]","{1: 'x', 2: 'y'}","dict(a=1)","{'a': {'b': [1, 2]}}","{true: 1, 'k': 1.5}"]
OTH=["none","nope","messages[0].nope","tools","true","false"]
METH0="upper lower title capitalize swapcase casefold isupper islower istitle isalpha isalnum isdigit isdecimal isnumeric isspace isascii isprintable strip lstrip rstrip split rsplit splitlines".split()
FILT0="upper lower title capitalize trim string length count list first last abs int float round default d join sum min max sort unique reverse tojson safe e escape items dictsort wordcount center indent truncate select reject filesizeformat map forceescape".split()
TEST0="defined undefined none boolean true false integer float number string mapping sequence iterable callable lower upper odd even escaped filter test".split()
def pick(*a): return r.choice(a)
def s(d): 
    if d<=0 or r.random()<.5: return r.choice(STR)
    k=r.randrange(13)
    if k==0: return f"{s(d-1)}.{r.choice(METH0)}()"
    if k==1: return f"{s(d-1)}.replace({r.choice(STR)}, {r.choice(STR)}{pick('',', 1',', -1',', 0')})"
    if k==2: return f"{s(d-1)}[{idx()}]"
    if k==3: return f"({s(d-1)} ~ {e(d-1)})"
    if k==4: return f"({s(d-1)} + {s(d-1)})"
    if k==5: return f"{s(d-1)}.{pick('strip','lstrip','rstrip')}({r.choice(STR)})"
    if k==6: return f"{s(d-1)}.{pick('center','ljust','rjust','zfill')}({r.choice(INT)})"
    if k==7: return f"({pick(repr('%s'),repr('%5s|'),repr('%-4s|'),repr('%d'),repr('%05d'),repr('%x'),repr('%.2f'),repr('%r'),repr('%+d'),repr('%e'),repr('%g'),repr('%.1s'),repr('%c'),repr('%#x'),repr('% d'),repr('%i%%'))} % {e(d-1)})"
    if k==8: return f"'{pick('{}','{:>5}','{:<5}|','{:^7}','{!r}','{:d}','{:05d}','{:.2f}','{:,}','{:x}','{:+}','{:e}','{:g}','{:%}','{:*^9}','{0}{0}','{!s:>4}','{:_}','{:#x}','{:b}','{:8.3f}','{:.2}','{:.0f}','{:5}')}'.format({e(d-1)})"
    if k==9: return f"{s(d-1)}.join({l(d-1)})"
    if k==10: return f"({l(d-1)} | join({r.choice(STR)}))"
    if k==11: return f"({e(d-1)} | {pick('string','tojson','tojson(indent=1)','upper','lower','title','capitalize','trim','tojson(ensure_ascii=true)','tojson(sort_keys=true)','e','safe','center(9)','replace(1,2)','truncate(5)','truncate(5,true)','truncate(4,false,leeway=0)','indent(2,true)','indent(1,false,true)')})"
    return f"{s(d-1)}.{pick('removeprefix','removesuffix')}({r.choice(STR)})"
def idx():
    return pick("0","1","-1","-2","9","1:","::-1",":2","1:-1","::2","-3:","3:0:-1",":-1:2","::-2","'a'","none:1","true")
def n(d):
    if d<=0 or r.random()<.5: return r.choice(INT+FLT)
    k=r.randrange(8)
    if k==0: return f"({n(d-1)} {pick('+','-','*','/','//','%','**')} {n(d-1)})"
    if k==1: return f"{s(d-1)}.{pick('find','rfind','count','index','rindex')}({r.choice(STR)}{pick('',', 1',', 1, 3',', -2')})"
    if k==2: return f"({l(d-1)} | {pick('length','sum','count','min','max','first','last')})"
    if k==3: return f"({e(d-1)} | int{pick('','(3)','(default=4)','(0, 16)','(base=2)','(none)')})"
    if k==4: return f"({e(d-1)} | float{pick('','(1.5)','(default=2)')})"
    if k==5: return f"({n(d-1)} | round{pick('','(1)','(2)',q('ceil'),q('floor'),ONE)})"
    if k==6: return f"(-{n(d-1)})"
    return f"({n(d-1)} | abs)"
def q(x): return f"(method='{x}')"
def l(d):
    if d<=0 or r.random()<.5: return r.choice(LST)
    k=r.randrange(12)
    if k==0: return f"({l(d-1)} + {l(d-1)})"
    if k==1: return f"{l(d-1)}[{idx()}]"
    if k==2: return f"({l(d-1)} | sort{pick('','(reverse=true)','(case_sensitive=true)',A())})"
    if k==3: return f"({l(d-1)} | unique{pick('','(true)',A())} | list)"
    if k==4: return f"({l(d-1)} | {pick('select','reject')}{pick('',T())} | list)"
    if k==5: return f"({l(d-1)} | {pick('selectattr','rejectattr')}({A1()}{pick('',', '+T()[1:-1])}) | list)"
    if k==6: return f"({l(d-1)} | map({pick(repr('upper'),repr('string'),repr('length'),'attribute='+A1(),'attribute='+A1()+', default=0',repr('default')+', 5',repr('int'),repr('tojson'),repr('replace')+', '+repr('a')+', '+repr('b'))}) | list)"
    if k==7: return f"{s(d-1)}.{pick('split','rsplit')}({pick('',r.choice(STR),r.choice(STR)+', 1','none, 1','maxsplit=1')})"
    if k==8: return f"({l(d-1)} | batch({pick('2','3, 0','1')}) | list)"
    if k==9: return f"({l(d-1)} | slice({pick('2','3, 0','1')}) | list)"
    if k==10: return f"({D(d-1)} | {pick('dictsort','items | list','dictsort(reverse=true)',BYV,'dictsort(true)','list')})"
    return f"({l(d-1)} | groupby({A1()}) | {pick('list','length')})"
def A(): return f"(attribute={A1()})"
def A1(): return pick("'role'","'a'","'a.b'","0","'0'","'content'","'b'")
def T(): return pick("('odd')","('string')","('eq', 1)","('in', [1, 'a'])","('defined')","('none')","('gt', 1)","('==', 'user')","('equalto', 'user')","('upper')","('divisibleby', 2)")
def D(d):
    return r.choice(DCT)
def b(d):
    k=r.randrange(8)
    if k==0: return f"({e(d-1)} {pick('==','!=','<','>','<=','>=')} {e(d-1)})"
    if k==1: return f"({e(d-1)} {pick('in','not in')} {pick(l(d-1),s(d-1),D(d-1),e(d-1))})"
    if k==2: return f"({e(d-1)} is {pick('','not ')}{r.choice(TEST0)})"
    if k==3: return f"({e(d-1)} is {pick('eq','ne','lt','gt','le','ge','in','sameas','divisibleby','equalto')}({e(d-1)}))"
    if k==4: return f"(not {e(d-1)})"
    if k==5: return f"({n(d-1)} {pick('<','==','<=')} {n(d-1)} {pick('<','!=','>')} {n(d-1)})"
    if k==6: return f"{s(d-1)}.{pick('startswith','endswith')}({pick(r.choice(STR),'('+r.choice(STR)+', '+repr('x')+')',r.choice(STR)+', 1')})"
    return f"({e(d-1)} {pick('and','or')} {e(d-1)})"
def e(d):
    k=r.random()
    if k<.25: return s(d)
    if k<.45: return n(d)
    if k<.62: return l(d)
    if k<.72: return D(d)
    if k<.78: return r.choice(OTH)
    if k<.9: return b(d) if d>0 else r.choice(INT)
    if k<.95: return f"({e(d-1)} if {e(d-1)} else {e(d-1)})" if d>0 else r.choice(STR)
    return f"({e(d-1)} | {r.choice(FILT0)}{pick('','','',f'({e(0)})')})" if d>0 else r.choice(LST)
V=["x","y","ns","loop","m","bos_token","messages"]
def st(d):
    k=r.randrange(16)
    if k<3 or d<=0: return "{{ "+pick(e(2),r.choice(V[:2]),"x","y","bos_token","loop."+pick("index","index0","last","first","length","revindex","previtem","nextitem","depth"))+" }}"
    if k==3: return "{%"+pick("","-","+")+" if "+e(1)+" "+pick("","-","+")+"%}"+blk(d-1)+pick("","{% elif "+e(1)+" %}"+blk(d-1))+pick("","{%- else %}"+blk(d-1))+"{% endif "+pick("","-")+"%}"
    if k==4: return "{% for "+pick("x","y","x, y","m","k")+" in "+pick(l(1),"[1,2,3]","[(1,2),(3,4)]","{'a':1,'b':2}.items()")+pick(""," if "+pick("x is defined","loop is defined","true","x","x != 2"))+" %}"+blk(d-1)+pick("","{% break %}","{% continue %}","{% if loop.index == 2 %}{% break %}{% endif %}")+pick("","{% else %}"+blk(d-1))+"{% endfor %}"
    if k==5: return "{% set "+pick("x","y","bos_token","x, y")+" = "+pick(e(1),"1, 2","x","(x or 0)")+" %}"
    if k==6: return "{% set "+pick("x","y")+pick(""," | upper"," | trim | length")+" %}"+blk(d-1)+"{% endset %}"
    if k==7: return "{% macro f("+pick("","x","x, y=2","x, y=x","a=1")+") %}"+blk(d-1)+pick("","{{ caller() }}","{{ varargs }}{{ kwargs }}","{{ x }}{{ y }}")+"{% endmacro %}{{ f("+pick("","1","1, 2","1, 2, 3","y=1","x=3","1, x=2","*[1]","**{'x':1}","1, z=4")+") }}"
    if k==8: return "{% call"+pick("","(x)")+" f("+pick("","1")+") %}"+blk(d-1)+"{% endcall %}"
    if k==9: return "{% filter "+pick("upper","trim","replace('a','b')","length","title")+" %}"+blk(d-1)+"{% endfilter %}"
    if k==10: return "{% with "+pick("x = 1","x = y","x = 1, y = x","")+" %}"+blk(d-1)+"{% endwith %}"
    if k==11: return "{% generation %}"+blk(d-1)+"{% endgeneration %}"
    if k==12: return "{#"+pick("","-")+" c "+pick("","-","+")+"#}"
    if k==13: return "{% set ns = namespace(a=1) %}{% set ns.a = "+pick("ns.a + 1","2","x")+" %}{{ ns.a }}"
    if k==14: return "{%"+pick("","-","+")+" raw "+pick("","-")+"%} {{ x }} {%"+pick("","-","+")+" endraw "+pick("","-","+")+"%}"
    return pick("\n"," ","  \n  ","a","\u00a0\n")
def blk(d): return "".join(pick("\n","  ","")+st(d) for _ in range(r.randrange(1,4)))


def snippets(path, count):
    from transformers.utils.chat_template_utils import _compile_jinja_template
    chat = [{"role": "system", "content": "Be k\u00ednd."}, {"role": "user", "content": " Hi <b> & 'x'\n"}, {"role": "assistant", "content": "A \u00df\u4f60"}, {"role": "user", "content": "1,2,3"}]
    print(f"seed {seed} (WILDREWARD_SEED repeats it)")
    with open(path, "w", encoding="utf-8") as out:
        for i in range(count):
            text = "{{ " + e(3) + " }}" if i % 2 else blk(3)
            try:
                want = _compile_jinja_template.__wrapped__(text).render(messages=json.loads(json.dumps(chat)), tools=None, documents=None, add_generation_prompt=True, bos_token="<s>", eos_token="</s>")
            except RecursionError:
                continue
            except Exception:
                want = None
            out.write(json.dumps({"template": text, "want": want}, ensure_ascii=False) + "\n")


def compare(tok, directory, path, count):
    text = open(path, encoding="utf-8").read()
    rows = [dict(c, add_generation_prompt=i % 2 == 0) for i, c in enumerate(CH)]
    p = subprocess.run([os.environ.get("WILDREWARD", "build/wildreward"), "tokenize", "--tokenizer", directory, "--chat-template", path],
                       input="".join(json.dumps(row) + "\n" for row in rows), capture_output=True, text=True)
    got = [json.loads(line) for line in p.stdout.split("\n") if line]
    for i, (row, mine) in enumerate(zip(rows, got, strict=True)):
        more = {k: v for k, v in row.items() if k not in ("messages", "tools", "documents", "add_generation_prompt")}
        try:
            want = tok.apply_chat_template(row["messages"], chat_template=text, tools=row.get("tools"), documents=row.get("documents"),
                                           add_generation_prompt=row["add_generation_prompt"], tokenize=False, **more)
        except Exception as x:
            want = x
        refused = isinstance(want, Exception)
        listed = any(isinstance(m["content"], list) for m in row["messages"])
        if "error" in mine:
            kind = "refused by both" if refused else "refused by name"
        elif not refused and mine["rendered"] == want:
            kind = "equal"
        else:
            kind = "list as text" if listed else "transformers refuses" if refused else "DIFFERENT"
        count[kind] += 1
        if kind not in ("equal", "refused by both", "list as text"):
            print(f"{os.path.basename(path)}: chat {i}: {kind}: {mine.get('error', mine.get('rendered', ''))[-200:]!r}; transformers: {str(want)[-200:]!r}")


def templates(folders):
    import trl
    from transformers import PreTrainedTokenizerFast
    files = [f for d in [os.path.dirname(trl.__file__), *folders] for f in sorted(glob.glob(os.path.join(d, "**", "*.jinja"), recursive=True))]
    count = collections.Counter()
    with tempfile.TemporaryDirectory() as directory:
        here = os.path.dirname(os.path.abspath(__file__))
        shutil.copy(os.path.join(here, "..", "golden", "tokenizer", "qwen2", "tokenizer.json"), directory)
        with open(os.path.join(directory, "tokenizer_config.json"), "w") as f:
            json.dump({"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": "x"}, f)
        tok = PreTrainedTokenizerFast.from_pretrained(directory)
        for path in files:
            compare(tok, directory, path, count)
    print(f"{len(files)} templates: " + ", ".join(f"{v} {k}" for k, v in count.most_common()))
    return 1 if count["DIFFERENT"] or count["transformers refuses"] else 0


if __name__ == "__main__":
    if sys.argv[1] == "templates":
        sys.exit(templates(sys.argv[2:]))
    snippets(sys.argv[2], int(sys.argv[3]))
