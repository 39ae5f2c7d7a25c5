#!/bin/bash
# The else of a Jinja loop that is left or cut short.
. "$(dirname "$0")/common.sh" text
finding "Jinja2 3.1.6 with jinja2.ext.loopcontrols, as chat templates are rendered" \
    "else is rendered when there was nothing to loop over (Jinja), or when the loop was not left by break (Python)" \
    "else is rendered when no pass reached the end of its body: after a break in the first pass, and after a loop whose every pass ends in continue"
run_python <<'P'
from jinja2.sandbox import ImmutableSandboxedEnvironment

environment = ImmutableSandboxedEnvironment(extensions=["jinja2.ext.loopcontrols"])
for template in ("{% for x in [] %}{{ x }}{% else %} else{% endfor %}",
                 "{% for x in [1, 2] %}{{ x }}{% else %} else{% endfor %}",
                 "{% for x in [1, 2] %}{{ x }}{% break %}{% else %} else{% endfor %}",
                 "{% for x in [1, 2] %}{{ x }}{% if x == 2 %}{% break %}{% endif %}{% else %} else{% endfor %}",
                 "{% for x in [1, 2] %}{{ x }}{% continue %}{% else %} else{% endfor %}"):
    print(template, "=>", environment.from_string(template).render())
P
same <<'T'
{% for x in [] %}{{ x }}{% else %} else{% endfor %} =>  else
{% for x in [1, 2] %}{{ x }}{% else %} else{% endfor %} => 12
{% for x in [1, 2] %}{{ x }}{% break %}{% else %} else{% endfor %} => 1 else
{% for x in [1, 2] %}{{ x }}{% if x == 2 %}{% break %}{% endif %}{% else %} else{% endfor %} => 12
{% for x in [1, 2] %}{{ x }}{% continue %}{% else %} else{% endfor %} => 12 else
T
