#include "trainer/moments_file.h"

#include "model/weights/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

wr_status moments_write(const char *path, const adamw *a, size_t of) {
    char names[2][64] = {"m", "v"};
    const float *const data[2] = {a->m, a->v};
    st_tensor tensors[2];
    for (int i = 0; i < 2; i++) {
        if (a->n != of) snprintf(names[i], sizeof names[i], "%c.%zu.%zu", "mv"[i], a -> begin, of);
        tensors[i] = (st_tensor){.name = names[i],
                                 .dtype = ST_F32,
                                 .n_dims = 1,
                                 .dims = {a->n},
                                 .data = data[i],
                                 .bytes = a->n * sizeof(float)};
    }
    return safetensors_write(path, tensors, 2, NULL);
}

/* Which moment a tensor is of ('m', 'v'; 0: it is none) and of which trainables. */
static char read_name(const st_tensor *t, float_range *r, size_t *of) {
    const char *name = t->name;
    char *end;
    size_t begin = 0;
    if (t->n_dims != 1 || t->dtype != ST_F32 || (name[0] != 'm' && name[0] != 'v')) return 0;
    *of = t->dims[0];
    if (name[1] == '.') {
        begin = strtoull(name + 2, &end, 10);
        if (*end != '.') return 0;
        *of = strtoull(end + 1, &end, 10);
        if (*end || begin > *of || t->dims[0] > *of - begin) return 0;
    } else if (name[1]) {
        return 0;
    }
    *r = (float_range){begin, begin + t->dims[0]};
    return name[0];
}

static wr_status not_whole(const char *path, char moment, size_t at) {
    return wr_fail(WR_E_MISMATCH, "%s: tensor %c is missing, or not one piece behind the other, from element %zu on",
                   path, moment, at);
}

wr_status moments_read(const char *const *paths, size_t n_paths, size_t of, adamw *a) {
    wr_status status = WR_OK;
    safetensors *s = NULL;
    size_t next[2] = {a->begin, a->begin}; /* of m, of v: the first element that is still wanted */
    for (size_t f = 0; f < n_paths; f++) {
        TRY(safetensors_open(paths[f], &s));
        for (size_t i = 0; i < safetensors_count(s); i++) {
            const st_tensor *t = safetensors_at(s, i);
            float_range r = {0, 0};
            size_t whole = 0;
            const char moment = read_name(t, &r, &whole);
            if (!moment || whole != of)
                TRY(wr_fail(WR_E_MISMATCH, "%s: tensor %.60s has another shape than this run's model", paths[f],
                            t->name));
            const size_t from = r.begin > a->begin ? r.begin : a->begin;
            const size_t to = r.end < a->begin + a->n ? r.end : a->begin + a->n;
            if (from >= to) continue;
            size_t *at = &next[moment == 'v'];
            if (from != *at) TRY(not_whole(paths[f], moment, *at));
            memcpy((moment == 'm' ? a->m : a->v) + (from - a->begin),
                   (const char *)t->data + (from - r.begin) * sizeof(float), (to - from) * sizeof(float));
            *at = to;
        }
        safetensors_close(s);
        s = NULL;
    }
    for (int i = 0; i < 2; i++)
        if (next[i] != a->begin + a->n) TRY(not_whole(n_paths ? paths[n_paths - 1] : "moments", "mv"[i], next[i]));
cleanup:
    safetensors_close(s);
    return status;
}
