/* The counted table of what each stage kept and dropped: printed, and saved in meta.json. Stage and name are string
 * literals. LOCAL. */
#ifndef WR_DATA_PREPARE_FUNNEL_H
#define WR_DATA_PREPARE_FUNNEL_H

#include "base/json.h"

typedef struct funnel_line {
    const char *stage, *name;
    uint64_t count;
    char *note;
} funnel_line;
typedef struct funnel {
    funnel_line *lines;
    size_t n, capacity;
} funnel;

/* Adds to a line, making it (at the end of the table) when it is new. */
wr_status funnel_count(funnel *f, const char *stage, const char *name, uint64_t n);
/* Sets a line's note; the first one set stays. */
wr_status funnel_note(funnel *f, const char *stage, const char *name, const char *note);
uint64_t funnel_get(const funnel *f, const char *stage, const char *name);
void funnel_print(const funnel *f);                /* to stderr; lines with count 0 are left out */
void funnel_json(const funnel *f, json_writer *w); /* {"stage": {"name": count, …}, …} */
void funnel_free(funnel *f);

/* What meta.json tells of the work: the table, and further members ("key":value,…). Rank 0's. */
typedef struct prepare_account {
    funnel funnel;
    strbuf extra;
} prepare_account;

#endif
