/* See attention_plan.h. */
#include "model/kernels/attention_plan.h"

/* wanted: enough for the cores of a node to share, few enough that adding the sums up costs little */
#define TASKS 64
#define PART_TOKENS 256 /* at least, of a tree that is cut into parts */

static size_t round_up(size_t bytes) { return (bytes + 63) / 64 * 64; }

static size_t root_of(const attention_args *a, size_t i) {
    while (a->parent && a->parent[i] >= 0) i = (size_t)a->parent[i];
    return i;
}

static size_t parts_of_tree(const attention_args *a, size_t tree_tokens, size_t all_tokens) {
    const size_t share = (tree_tokens * TASKS + all_tokens * a->G - 1) / (all_tokens * a->G),
                 most = tree_tokens / PART_TOKENS;
    return share < most ? share : most > 1 ? most : 1;
}

size_t attention_plan_bytes(const attention_args *a, size_t width) {
    size_t all = 0, rows = 0;
    for (size_t i = 0; i < a->n_items; i++) a->first_task[i] = 0;
    for (size_t i = 0; i < a->n_items; i++) {
        a->first_task[root_of(a, i)] += a->items[i].n_q;
        all += a->items[i].n_q;
    }
    for (size_t i = 0; i < a->n_items; i++)
        if (a->first_task[i]) rows += (a->first_task[i] + ATTENTION_SUMS_PAD) * parts_of_tree(a, a->first_task[i], all);
    return round_up(a->n_items * sizeof(attention_node)) + round_up((a->n_items + TASKS) * sizeof(attention_part)) +
           rows * a->G * 2 * width * sizeof(float);
}

/* Query-key pairs of the group of item that begins at row. */
static size_t group_work(const attention_args *a, const attention_plan *plan, size_t item, size_t row, size_t *seen) {
    const attention_item *it = &a->items[item];
    const size_t rep = a->H / a->G, rows = it->n_q * rep,
                 end = row + plan->group_rows < rows ? row + plan->group_rows : rows;
    size_t path = 0;
    for (size_t s = 0; s + 1 < it->n_spans; s++) path += it->spans[s].n;
    *seen = (end - 1) / rep + 1;
    return (end - row) * (path + *seen - attention_low(a, path + row / rep + 1));
}

/* Cuts a tree into runs of groups of about the same work. */
static float *cut_tree(const attention_args *a, attention_plan *plan, size_t root, size_t parts, float *sums) {
    const size_t rep = a->H / a->G;
    attention_node *tree = &plan->nodes[root];
    size_t total = 0, done = 0, seen;
    for (int32_t i = (int32_t)root; i >= 0; i = plan->nodes[i].next)
        for (size_t row = 0; row < a->items[i].n_q * rep; row += plan->group_rows)
            total += group_work(a, plan, (size_t)i, row, &seen);
    tree->first_part = plan->n_parts;
    for (int32_t i = (int32_t)root; i >= 0; i = plan->nodes[i].next)
        for (size_t row = 0; row < a->items[i].n_q * rep; row += plan->group_rows) {
            if (tree->n_parts < parts && done * parts >= total * tree->n_parts) {
                plan->parts[plan->n_parts++] = (attention_part){.item = i, .row = row};
                tree->n_parts++;
            }
            attention_part *p = &plan->parts[plan->n_parts - 1];
            done += group_work(a, plan, (size_t)i, row, &seen);
            p->n_groups++;
            p->tokens = plan->nodes[i].before + seen + ATTENTION_SUMS_PAD;
        }
    for (size_t p = tree->first_part; p < plan->n_parts; p++) {
        plan->parts[p].sums = sums;
        sums += a->G * 2 * plan->parts[p].tokens * plan->width;
    }
    return sums;
}

attention_plan attention_plan_make(const attention_args *a, size_t group_rows, size_t width, void *scratch) {
    char *at = scratch;
    attention_plan plan = {.group_rows = group_rows, .width = width, .nodes = scratch};
    size_t all = 0;
    at += round_up(a->n_items * sizeof *plan.nodes);
    plan.parts = (attention_part *)(void *)at;
    at += round_up((a->n_items + TASKS) * sizeof *plan.parts);
    for (size_t i = 0; i < a->n_items; i++) {
        attention_node *node = &plan.nodes[i];
        *node = (attention_node){.root = (int32_t)root_of(a, i), .next = -1, .last = (int32_t)i};
        attention_node *tree = &plan.nodes[node->root];
        if (tree != node) plan.nodes[tree->last].next = (int32_t)i;
        tree->last = (int32_t)i;
        node->before = tree->tree_tokens;
        tree->tree_tokens += a->items[i].n_q;
        all += a->items[i].n_q;
    }
    float *sums = (float *)(void *)at;
    for (size_t i = 0; i < a->n_items; i++)
        if ((size_t)plan.nodes[i].root == i)
            sums = cut_tree(a, &plan, i, parts_of_tree(a, plan.nodes[i].tree_tokens, all), sums);
    return plan;
}
