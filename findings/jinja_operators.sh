#!/bin/bash
# Expressions of chat templates in which two operators meet.
. "$(dirname "$0")/common.sh" text
finding "Jinja2 3.1.6" \
    "~ joins what stands on both sides, sums included; the other operators bind as Python's" \
    "~ binds tighter than + and -, so a sum behind it is no sum but an error; powers go from left to right; a sign binds tighter than a power, and than a filter"
run_python <<'P'
from jinja2.sandbox import ImmutableSandboxedEnvironment

environment = ImmutableSandboxedEnvironment()
for expression in ("'n' ~ 2 * 3", "'n' ~ (1 + 2)", "'n' ~ 1 + 2", "2 ** 3 ** 2", "-2 ** 2", "-1 | abs", "1 - 3 | abs"):
    try:
        print(expression, "=>", environment.from_string("{{ " + expression + " }}").render())
    except TypeError as e:
        print(expression, "=> TypeError")
P
same <<'T'
'n' ~ 2 * 3 => n6
'n' ~ (1 + 2) => n3
'n' ~ 1 + 2 => TypeError
2 ** 3 ** 2 => 64
-2 ** 2 => 4
-1 | abs => 1
1 - 3 | abs => -2
T
