/* Shared prefixes: what sequences of a group have in common from their first token on becomes a segment of its own, and
 * the rest of each a segment that continues it. n sequences of lengths t_i that share p tokens cost sum t_i - (n-1) p.
 *
 *     a b c d e      a b c        <- shared          rows | a b c | d e | x | (the third is the prefix as a whole)
 *     a b c x            d e      <- own
 *     a b c              x */
#include "model/prefix.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static size_t common_prefix(const int32_t *a, size_t n_a, const int32_t *b, size_t n_b) {
    const size_t n = n_a < n_b ? n_a : n_b;
    size_t t = 0;
    while (t < n && a[t] == b[t]) t++;
    return t;
}

prefix_rule prefix_rule_of(const model *m) {
    return (prefix_rule){PREFIX_MIN_SHARED, model_config_rope_switch(&m->config)};
}

static bool one_kind(prefix_rule rule, size_t n_a, size_t n_b) { return (n_a > rule.apart) == (n_b > rule.apart); }

size_t prefix_common(const int32_t *a, size_t n_a, const int32_t *b, size_t n_b, prefix_rule rule) {
    return one_kind(rule, n_a, n_b) ? common_prefix(a, n_a, b, n_b) : 0;
}

/* Tokens that n sequences of one group share: 0 where they share none or too few. */
static size_t group_shared(size_t n, const int32_t *const *ids, const size_t *lengths, prefix_rule rule) {
    if (n < 2) return 0;
    size_t shared = lengths[0];
    for (size_t i = 1; i < n && shared > 0; i++)
        shared = one_kind(rule, lengths[0], lengths[i]) ? common_prefix(ids[0], shared, ids[i], lengths[i]) : 0;
    return shared >= rule.min_shared ? shared : 0;
}

static size_t group_end(size_t n, const size_t *group, size_t from) {
    size_t end = from + 1;
    while (group && end < n && group[end] == group[from]) end++;
    return end;
}

static wr_status grow(void *array, size_t count, size_t size) {
    void **p = array, *grown = mem_realloc(*p, count, size);
    if (!grown) return WR_E_NOMEM;
    *p = grown;
    return WR_OK;
}

/* Room for n sequences of `tokens` together, in at most 3n/2 segments: a shared prefix has at least two members. */
static wr_status reserve(prefix_batch *p, size_t n, size_t tokens) {
    wr_status status = WR_OK;
    if (n > p->room || !p->offsets) {
        const size_t segments = n + n / 2;
        TRY(grow(&p->offsets, segments + 1, sizeof *p->offsets));
        TRY(grow(&p->parent, segments + 1, sizeof *p->parent));
        TRY(grow(&p->shared, n + 1, sizeof *p->shared));
        TRY(grow(&p->prefix_row, n + 1, sizeof *p->prefix_row));
        TRY(grow(&p->own_row, n + 1, sizeof *p->own_row));
        p->room = n;
    }
    TRY(mem_reserve((void **)&p->ids, &p->ids_room, tokens + 1, sizeof *p->ids));
cleanup:
    return status;
}

/* Appends a segment of n >= 1 tokens; returns its first row. */
static size_t append(prefix_batch *p, const int32_t *ids, size_t n, int32_t parent) {
    const size_t row = p->offsets[p->batch.B];
    memcpy(p->ids + row, ids, n * sizeof *ids);
    p->parent[p->batch.B++] = parent;
    p->offsets[p->batch.B] = row + n;
    return row;
}

wr_status prefix_batch_build(size_t n, const int32_t *const *ids, const size_t *lengths, const size_t *group,
                             prefix_rule rule, prefix_batch *out) {
    wr_status status = WR_OK;
    size_t tokens = 0;
    bool any_shared = false;
    out->n = 0;
    out->batch = (token_batch){0};
    for (size_t i = 0; i < n; i++) {
        if (lengths[i] == 0) TRY(wr_fail(WR_E_FORMAT, "sequence %zu of a batch has no tokens", i));
        tokens += lengths[i];
    }
    TRY(reserve(out, n, tokens));
    out->n = n;
    out->offsets[0] = 0;
    for (size_t first = 0, end; first < n; first = end) {
        end = group_end(n, group, first);
        const size_t shared = group_shared(end - first, ids + first, lengths + first, rule);
        size_t prefix_row = 0;
        int32_t parent = -1;
        if (shared > 0) {
            parent = (int32_t)out->batch.B;
            prefix_row = append(out, ids[first], shared, -1);
            any_shared = true;
        }
        for (size_t i = first; i < end; i++) {
            out->shared[i] = shared;
            out->prefix_row[i] = prefix_row;
            out->own_row[i] = lengths[i] > shared ? append(out, ids[i] + shared, lengths[i] - shared, parent) : 0;
        }
    }
    out->batch.offsets = out->offsets;
    out->batch.ids = out->ids;
    out->batch.parent = any_shared ? out->parent : NULL;
cleanup:
    return status;
}

void prefix_batch_free(prefix_batch *p) {
    free(p->offsets);
    free(p->ids);
    free(p->parent);
    free(p->shared);
    free(p->prefix_row);
    free(p->own_row);
    *p = (prefix_batch){0};
}

size_t prefix_group_tokens(size_t n, const int32_t *const *ids, const size_t *lengths, prefix_rule rule) {
    size_t tokens = 0;
    for (size_t i = 0; i < n; i++) tokens += lengths[i];
    return n < 2 ? tokens : tokens - (n - 1) * group_shared(n, ids, lengths, rule);
}

/* The longest common prefix of a run of neighbours is the least of its neighbours' own, and k sequences that share p
 * tokens save (k - 1) p. Hence
 *   saved(j) = max over i of saved(i) + (j - i - 1) * least(i … j-1),
 * which stops where `least` falls below rule.min_shared. */
wr_status prefix_groups(size_t n, const int32_t *const *ids, const size_t *lengths, prefix_rule rule, size_t *group) {
    wr_status status = WR_OK;
    size_t *with_next = mem_calloc(n + 1, sizeof *with_next); /* (n-1): common prefix of i and i+1 */
    size_t *saved = mem_calloc(n + 1, sizeof *saved);         /* (n+1): by the best cut of the first j sequences */
    size_t *start = mem_calloc(n + 1, sizeof *start);         /* (n+1): where the last group of that cut begins */
    TRY_ALLOC(with_next);
    TRY_ALLOC(saved);
    TRY_ALLOC(start);
    for (size_t i = 0; i + 1 < n; i++)
        with_next[i] = prefix_common(ids[i], lengths[i], ids[i + 1], lengths[i + 1], rule);
    for (size_t j = 1; j <= n; j++) {
        size_t least = SIZE_MAX;
        saved[j] = saved[j - 1];
        start[j] = j - 1;
        for (size_t i = j - 1; i-- > 0 && j - i <= PREFIX_MAX_GROUP;) {
            if (with_next[i] < least) least = with_next[i];
            if (least < rule.min_shared || least == 0) break;
            const size_t with = saved[i] + (j - i - 1) * least;
            if (with > saved[j]) {
                saved[j] = with;
                start[j] = i;
            }
        }
    }
    for (size_t end = n; end > 0; end = start[end])
        for (size_t i = start[end]; i < end; i++) group[i] = start[end];
cleanup:
    free(with_next);
    free(saved);
    free(start);
    return status;
}

size_t prefix_batch_end(size_t n, const int32_t *const *ids, const size_t *lengths, const size_t *group,
                        prefix_rule rule, size_t from, size_t max_tokens) {
    size_t end = from, tokens = 0;
    while (end < n) {
        const size_t next = group_end(n, group, end),
                     more = prefix_group_tokens(next - end, ids + end, lengths + end, rule);
        if (more > max_tokens - tokens) break;
        tokens += more;
        end = next;
    }
    if (end > from) return end;
    const size_t last = group_end(n, group, from);
    end = from + 1;
    while (end < last && prefix_group_tokens(end + 1 - from, ids + from, lengths + from, rule) <= max_tokens) end++;
    return end;
}
