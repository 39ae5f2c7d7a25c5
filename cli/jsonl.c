#include "cli/jsonl.h"

#include "base/stream.h"
#include <stdlib.h>
#include <string.h>

#define BATCH_BYTES ((size_t)64 << 20) /* a batch ends early when its lines are this long together */

typedef struct frame {
    instream *in;
    outstream *out;
    bool to_stdout;
    arena *memory;       /* the documents of one batch */
    jsonl_item *items;   /* the batch's good lines */
    size_t *item_of;     /* line of the batch -> index into items, or SIZE_MAX */
    char **parse_errors; /* line of the batch -> why it is no item; owned */
    size_t batch_size, lines, good;
    size_t first_line; /* number of the batch's first line */
    const char *const *names;
    strbuf record;
    size_t bad, total, first_bad;
    char *first_error; /* owned */
} frame;

void jsonl_fail(jsonl_item *item) {
    free(item->error);
    item->error = mem_strdup(wr_error());
    if (!item->error) {
        item->fields.failed = true; /* found when the record is written */
    }
}

json_writer jsonl_fields(jsonl_item *item) {
    json_writer w = json_writer_make(&item->fields);
    w.need_comma = item->fields.len > 0;
    return w;
}

static wr_status read_line(frame *f, const char *line, size_t n) {
    wr_status status = WR_OK;
    /* it counts once it is an item or has its error: without memory for either it is not in the batch */
    size_t i = f->lines;
    const json_value *input = NULL;
    f->item_of[i] = SIZE_MAX;
    wr_status parsed = json_parse(f->memory, line, n, &input);
    if (parsed == WR_E_NOMEM) {
        return parsed;
    }
    if (parsed >= 0 && input->kind != JSON_OBJECT) {
        parsed = wr_fail(WR_E_FORMAT, "not a JSON object");
    }
    if (parsed < 0) {
        TRY_ALLOC(f->parse_errors[i] = mem_strdup(wr_error()));
        f->lines++;
        return WR_OK;
    }
    f->items[f->good] = (jsonl_item){.input = input, .line = f->first_line + i, .names = f->names};
    f->item_of[i] = f->good++;
    f->lines++;
cleanup:
    return status;
}

/* Fills the batch. WR_END when the input is at its end (the batch may hold lines all the same); an error of the input
 * likewise leaves the lines before it in the batch. */
static wr_status read_batch(frame *f) {
    size_t bytes = 0;
    f->first_line = f->total + 1;
    while (f->lines < f->batch_size && bytes < BATCH_BYTES) {
        const char *line;
        size_t n;
        wr_status status = instream_line(f->in, &line, &n);
        if (status != WR_OK) {
            return status;
        }
        bytes += n;
        status = read_line(f, line, n);
        if (status < 0) {
            return status;
        }
    }
    return WR_OK;
}

static bool is_output(const char *const *names, const json_value *member) {
    for (size_t i = 0; names && names[i]; i++) {
        if (strlen(names[i]) == member->key_length && memcmp(names[i], member->key, member->key_length) == 0) {
            return true;
        }
    }
    return false;
}

static void write_error_record(frame *f, const char *why, size_t line) {
    json_writer w = json_writer_make(&f->record);
    json_begin_object(&w);
    json_member_string(&w, "error", why);
    json_member_int(&w, "line", (int64_t)line);
    json_end_object(&w);
    if (f->bad++ == 0) {
        f->first_bad = line;
        f->first_error = mem_strdup(why);
    }
}

static void write_item(frame *f, const jsonl_item *item) {
    json_writer w = json_writer_make(&f->record);
    json_begin_object(&w);
    for (const json_value *m = item->input->first; m; m = m->next) {
        if (!is_output(f->names, m)) {
            json_key_n(&w, m->key, m->key_length);
            json_copy(&w, m);
        }
    }
    if (item->fields.len > 0) {
        if (w.need_comma) {
            strbuf_putc(&f->record, ',');
        }
        strbuf_append(&f->record, item->fields.data, item->fields.len);
    }
    json_end_object(&w);
}

static wr_status write_batch(frame *f) {
    wr_status status = WR_OK;
    for (size_t i = 0; i < f->lines; i++) {
        const jsonl_item *item = f->item_of[i] == SIZE_MAX ? NULL : &f->items[f->item_of[i]];
        const char *error = item ? item->error : f->parse_errors[i];
        strbuf_clear(&f->record);
        TRY(item ? strbuf_status(&item->fields) : WR_OK);
        if (error) {
            write_error_record(f, error, f->first_line + i);
        } else {
            write_item(f, item);
        }
        TRY(outstream_line(f->out, &f->record));
    }
    f->total += f->lines;
    TRY(f->to_stdout ? outstream_flush(f->out) : WR_OK);
cleanup:
    return status;
}

static void clear_batch(frame *f) {
    for (size_t i = 0; i < f->good; i++) {
        strbuf_free(&f->items[i].fields);
        free(f->items[i].error);
    }
    for (size_t i = 0; i < f->lines; i++) {
        free(f->parse_errors[i]);
        f->parse_errors[i] = NULL;
    }
    f->lines = f->good = 0;
    if (f->memory) {
        arena_reset(f->memory);
    }
}

const option_spec jsonl_rows[] = {
    OPTION_TEXT(jsonl_options, in, "in", "-", "FILE", "JSONL to read, plain or compressed; - is standard input"),
    OPTION_TEXT(jsonl_options, out, "out", "-", "FILE",
                "JSONL to write, zstd where it ends in .zst; - is standard output"),
    {0},
};

wr_status jsonl_run(const jsonl_options *o, size_t batch_size, const char *const *output_names,
                    wr_status (*handle)(void *context, jsonl_item *items, size_t n), void *context) {
    wr_status status = WR_OK, read = WR_OK;
    frame f = {.batch_size = batch_size ? batch_size : 1, .names = output_names};
    f.to_stdout = strcmp(o->out, "-") == 0;
    TRY_ALLOC(f.items = mem_calloc(f.batch_size, sizeof *f.items));
    TRY_ALLOC(f.item_of = mem_calloc(f.batch_size, sizeof *f.item_of));
    TRY_ALLOC(f.parse_errors = mem_calloc(f.batch_size, sizeof *f.parse_errors));
    TRY_ALLOC(f.memory = arena_create());
    TRY(instream_open(o->in, &f.in));
    TRY(outstream_create(o->out, &f.out));
    while (read == WR_OK) {
        char input_error[2048];
        read = read_batch(&f);
        if (read < 0) {
            strncpy(input_error, wr_error(), sizeof input_error - 1);
            input_error[sizeof input_error - 1] = '\0';
        }
        TRY(f.good > 0 ? handle(context, f.items, f.good) : WR_OK);
        TRY(write_batch(&f));
        clear_batch(&f);
        if (read < 0) {
            TRY(wr_fail(read, "%s", input_error)); /* writing may have left a message of its own */
        }
    }
    TRY(outstream_commit(&f.out));
    if (f.bad > 0) {
        TRY(wr_fail(WR_E_FAILED, "%zu of %zu lines were bad; the first is line %zu: %s", f.bad, f.total, f.first_bad,
                    f.first_error ? f.first_error : "out of memory"));
    }
cleanup:
    clear_batch(&f);
    outstream_discard(f.out);
    instream_close(f.in);
    arena_free(f.memory);
    strbuf_free(&f.record);
    free(f.items);
    free(f.item_of);
    free(f.parse_errors);
    free(f.first_error);
    return status;
}
