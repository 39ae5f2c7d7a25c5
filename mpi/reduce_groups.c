/* Groups: the largest subtrees of the tree over ranks that lie on one host. What such a group adds up before anything
 * leaves the host is what the tree adds there anyway, so that no bit depends on where ranks run:
 *
 *     4 hosts of 2      ((0 1) (2 3)) ((4 5) (6 7))      a group a host
 *     3 hosts of 2      (0 (1 2)) (3 (4 5))              1 and 2 are on two hosts, and so are 0 … 2: groups are 4 5 and
 *                                                        every other rank alone
 *     one host          one group: all ranks
 *     hosts by turns    every rank alone
 *
 * The last two are reduce-scatter and all-gather without any detour, inside the host and across hosts. */
#include "mpi/reducer.h"

static void divide(const int *hosts, int lo, int hi, reduce_group *groups) {
    int same = lo + 1;
    while (same < hi && hosts[same] == hosts[lo]) same++;
    if (same < hi) {
        const int mid = tree_mid(lo, hi);
        divide(hosts, lo, mid, groups);
        divide(hosts, mid, hi, groups);
        return;
    }
    for (int p = lo; p < hi; p++) groups[p] = (reduce_group){lo, hi};
}

void reduce_groups(const int *hosts, int size, reduce_group *groups) { divide(hosts, 0, size, groups); }

int reduce_collector(reduce_group g, int p) {
    const int n = g.end - g.first;
    if (p >= g.first && p < g.end) return p;
    return g.first + (p < g.first ? p : p - n) % n;
}

/* In a group of n each rank collects at most ceil(size / n) pieces, from n-1 others. Subtrees have size / 2^d ranks,
 * rounded down or up. Rounded up, and for d = 0, they are at most 2^d (n-1) < size rows. */
size_t staging_rows(size_t size) {
    size_t most = size;
    for (size_t n = size / 2; n > 1; n /= 2) {
        const size_t rows = (size + n - 1) / n * (n - 1);
        if (rows > most) most = rows;
    }
    return most;
}
