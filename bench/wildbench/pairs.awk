# Rows (task, task and judge, score, shape, words; in the order of tasks) but those of a task of which the first file names a row by number, to pairs: two replies that one judge put on different
# levels, the better one first, drawn by -v seed; each row at most once.
function level(score) { return score <= 4 ? 1 : score <= 6 ? 2 : score == 7 ? 3 : 4 }
function draw(i, j, k, t) {
    for (i = n; i > 1; i--) { j = 1 + int(rand() * i); t = at[i]; at[i] = at[j]; at[j] = t }
    for (i = 1; i < n; i++)
        for (j = i + 1; at[i] && j <= n; j++) {
            if (!at[j] || judge[at[i]] != judge[at[j]] || of[at[i]] == of[at[j]]) continue
            k = of[at[i]] > of[at[j]] ? i : j
            print shape[at[k]], text[at[k]], shape[at[i + j - k]], text[at[i + j - k]]
            at[i] = at[j] = 0
        }
    n = 0
}
BEGIN { FS = OFS = "\t"; srand(seed) }
FNR == NR { kept[$1]; next }
$1 != task { if (!aside) draw(); n = aside = 0; task = $1 }
FNR in kept { aside = 1 }
{ n++; at[n] = n; judge[n] = $2; of[n] = level($3); shape[n] = $4; text[n] = $5 == "" ? "~" : $5 }
END { if (!aside) draw() }
