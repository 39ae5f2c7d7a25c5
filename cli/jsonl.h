/* The JSONL tools' frame: one output line an input line, in order. Bad lines become {"error":…,"line":n} in their place
 * and the tool ends with exit 1 after the rest is done. Input fields pass through with their values; output fields
 * replace existing ones. LOCAL. */
#ifndef WR_CLI_JSONL_H
#define WR_CLI_JSONL_H

#include "base/json.h"
#include "base/options.h"

/* One parsed line of a batch. The handler either writes its output members (without braces) into `fields` by a
 * json_writer, or sets an error by jsonl_fail. */
typedef struct jsonl_item {
    const json_value *input;  /* an object */
    size_t line;              /* 1-based */
    strbuf fields;            /* '"name":value,"name2":value' */
    const char *const *names; /* NULL-terminated: the output fields, which replace input fields of that name */
    char *error;              /* owned; set => error record */
} jsonl_item;

/* Marks the item as bad with this thread's wr_error(). */
void jsonl_fail(jsonl_item *item);
/* A json_writer positioned inside an object on item->fields. */
json_writer jsonl_fields(jsonl_item *item);

typedef struct jsonl_options {
    const char *in, *out; /* "-": standard input, output */
} jsonl_options;
extern const option_spec jsonl_rows[]; /* --in --out */

/* Reads --in, calls handle for batches of up to batch_size items, writes --out. A handler's negative return is fatal.
 * Returns WR_E_FAILED when some lines were bad. */
wr_status jsonl_run(const jsonl_options *o, size_t batch_size, const char *const *output_names,
                    wr_status (*handle)(void *context, jsonl_item *items, size_t n), void *context);

#endif
