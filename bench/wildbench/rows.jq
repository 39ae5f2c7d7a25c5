# A row of judged replies to: task, task and judge, score 1 … 10, what its shape is, its text in one line.
# Counts are told in steps of half an octave, so that "a third longer" is one step wherever it begins.
def bucket: (1 + .) | log2 * 2 | floor | tostring;
def times($p): (split($p) | length) - 1;
.response as $t
| ($t | split(" ")) as $words
| ($t | split("\n")) as $lines
| ($words | length) as $n
| [ .task, "\(.task):\(.judge)", ([[.score | floor, 1] | max, 10] | min | tostring),
    "c\($t | length | bucket) w\($n | bucket) l\($lines | length | bucket) b\($t | times("**") | bucket) h\($t | times("\n#") | bucket) f\($t | times("```") | bucket) i\([$lines[] | select(.[0:6] | test("^ *([0-9]+[.)]|[-*•]) "))] | length | bucket) u\($words | unique | length * 20 / ($n + 1) | floor) e\(if ($t[-3:] | test("[.!?`)*]\\s*$")) then 1 else 0 end)",
    ([$lines[] | select(test("\\S"))] | join(" ¶ ") | ascii_downcase | gsub("[\t\r]"; " ")) ]
| join("\t")
