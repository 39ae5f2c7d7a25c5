#include "evaluate/record_columns.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/stream.h"
#include "evaluate/statistics/calibration.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The shortest of 17 digits: the double itself comes back. */
static void write_exact(json_writer *j, double v) {
    char text[32];
    const int n = snprintf(text, sizeof text, "%.17g", v);
    json_raw(j, text, (size_t)n);
}

wr_status record_columns_write(json_writer *j, const reward_records *r) {
    wr_status status = WR_OK;
    const predictions *p = &r->p;
    const size_t N = (size_t)p->classes - 1;
    double *scratch = mem_calloc((size_t)p->classes, sizeof *scratch);
    char id[24];
    TRY_ALLOC(scratch);
    json_member_object(j, "per_record");
    json_member_array(j, "id");
    for (size_t i = 0; i < p->n; i++) {
        snprintf(id, sizeof id, "%016llx", (unsigned long long)hash64(r->id[i], strlen(r->id[i]), 0));
        json_string(j, id);
    }
    json_end_array(j);
    json_member_array(j, "user");
    for (size_t i = 0; i < p->n; i++) json_int(j, p->user[i]);
    json_end_array(j);
    json_member_array(j, "label");
    for (size_t i = 0; i < p->n; i++) json_int(j, p->label[i]);
    json_end_array(j);
    json_member_array(j, "score");
    for (size_t i = 0; i < p->n; i++) write_exact(j, p->score[i]);
    json_end_array(j);
    if (p->class) json_member_array(j, "class");
    for (size_t i = 0; p->class && i < p->n; i++) json_int(j, p->class[i]);
    if (p->class) json_end_array(j);
    if (p->above) json_member_array(j, "log_loss");
    for (size_t i = 0; p->above && i < p->n; i++)
        write_exact(j, label_log_loss(p->classes, p->above + i * N, p->label[i], scratch));
    if (p->above) json_end_array(j);
    json_end_object(j);
cleanup:
    free(scratch);
    return status;
}

static void write_row(json_writer *j, const reward_records *r, size_t i) {
    const predictions *p = &r->p;
    const size_t N = (size_t)p->classes - 1;
    json_begin_object(j);
    json_member_string(j, "id", r->id[i]);
    json_member_string(j, "user", r->users[p->user[i]]);
    json_member_int(j, "label", p->label[i]);
    json_key(j, "score");
    write_exact(j, p->score[i]);
    if (p->class) json_member_int(j, "class", p->class[i]);
    if (p->above) {
        json_member_array(j, "above");
        for (size_t k = 0; k < N; k++) write_exact(j, p->above[i * N + k]);
        json_end_array(j);
    }
    if (p->length) json_member_double(j, "length", p->length[i]);
    if (p->prompt[i] != NO_PROMPT) json_member_int(j, "prompt", p->prompt[i]);
    json_end_object(j);
}

wr_status scored_rows_write(const char *path, const reward_records *r) {
    wr_status status = WR_OK;
    outstream *s = NULL;
    strbuf line = {0};
    TRY(outstream_create(path, &s));
    for (size_t i = 0; i < r->p.n; i++) {
        strbuf_clear(&line);
        json_writer j = json_writer_make(&line);
        write_row(&j, r, i);
        TRY(strbuf_status(&line));
        TRY(outstream_line(s, &line));
    }
    TRY(outstream_commit(&s));
cleanup:
    outstream_discard(s);
    strbuf_free(&line);
    return status;
}
