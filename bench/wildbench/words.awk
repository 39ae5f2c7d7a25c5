# Texts as their distinct words and pairs of neighbours, in the order of their first appearance, of those alone that replies to enough tasks have: what is rarer
# tells which task it is, not how good the reply is. The first file counts (rows in the order of tasks); every further one is written.
BEGIN { FS = OFS = "\t" }
# enough: known when the first file was read
FNR == 1 && ++file == 2 {
    need = int(tasks * share + 0.5)
    if (need < 2) need = 2
    for (x in seen) if (seen[x] >= need) { keep[x] = 1; print x >vocabulary }
    close(vocabulary)
}
file == 1 {
    if ($1 != task) { task = $1; tasks++ }
    n = split($5, w, " +")
    for (i = 1; i <= n; i++) {
        if (w[i] != "" && last[w[i]] != tasks) { last[w[i]] = tasks; seen[w[i]]++ }
        if (i > 1 && w[i - 1] != "" && w[i] != "") {
            p = w[i - 1] "_" w[i]
            if (last[p] != tasks) { last[p] = tasks; seen[p]++ }
        }
    }
    next
}
{
    n = split($5, w, " +"); row++
    words = pairs = ""
    for (i = 1; i <= n; i++) {
        if ((w[i] in keep) && mark[w[i]] != row) { mark[w[i]] = row; words = words " " w[i] }
        if (i > 1) {
            p = w[i - 1] "_" w[i]
            if ((p in keep) && mark[p] != row) { mark[p] = row; pairs = pairs " " p }
        }
    }
    $5 = substr(words pairs, 2)
    print >(FILENAME ".words")
}
