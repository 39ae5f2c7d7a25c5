#include "evaluate/suites/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

wr_status suite_set_init(suite_set *s) {
    wr_status status = WR_OK;
    *s = (suite_set){0};
    TRY_ALLOC(s->memory = arena_create());
cleanup:
    return status;
}

void suite_set_free(suite_set *s) {
    for (size_t i = 0; i < s->n_texts; i++) token_ids_free(&s->texts[i]);
    free(s->items);
    free(s->texts);
    free(s->groups);
    arena_free(s->memory);
    *s = (suite_set){0};
}

wr_status suite_group(suite_set *s, const char *name, size_t n, uint32_t *group) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < s->n_groups; i++)
        if (strlen(s->groups[i]) == n && memcmp(s->groups[i], name, n) == 0) {
            *group = (uint32_t)i;
            return WR_OK;
        }
    char *own = arena_strndup(s->memory, name, n);
    TRY_ALLOC(own);
    VEC_PUSH(s->groups, s->n_groups, s->groups_capacity, own);
    *group = (uint32_t)(s->n_groups - 1);
cleanup:
    return status;
}

void suite_figures_free(suite_figures *f) {
    free(f->list);
    *f = (suite_figures){0};
}

wr_status suite_put(suite_figures *f, const char *part, const char *name, double value) {
    wr_status status = WR_OK;
    const suite_figure figure = {part, name, value, NAN, NAN};
    VEC_PUSH(f->list, f->n, f->capacity, figure);
cleanup:
    return status;
}
