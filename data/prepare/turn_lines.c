#include "data/prepare/turn_lines.h"

#include "data/label/match/filters.h"

#include <ctype.h>

static void put_level(json_writer *w, int level) {
    if (level)
        json_int(w, level);
    else
        json_null(w);
}

/* "YYYY-MM" of a timestamp that begins so, else "". */
static void month_of(const char *timestamp, char out[8]) {
    static const char shape[] = "dddd-dd";
    for (size_t i = 0; i < 7; i++) {
        char c = timestamp[i];
        if (shape[i] == 'd' ? !isdigit((unsigned char)c) : c != shape[i]) {
            out[0] = '\0';
            return;
        }
        out[i] = c;
    }
    out[7] = '\0';
}

static void put_turn(json_writer *w, const conversation *c, size_t at) {
    json_member_string(w, "conversation_hash", c->id);
    json_member_int(w, "turn_identifier", c->turns[at]);
}

void turn_line(const annotator_panel *p, const conversation *c, size_t at, const turn_state *t, const uint8_t *answers,
               strbuf *out) {
    static const char *const refusals[] = {NULL, "no", "false", "justified"};
    char month[8];
    json_writer w = json_writer_make(out);
    month_of(c->timestamp, month);
    json_begin_object(&w);
    put_turn(&w, c, at);
    json_member_string(&w, "user", c->user);
    json_key(&w, "level"), put_level(&w, t->level);
    json_member_string(&w, "how", how_text(p, (how)t->how));
    json_key(&w, "final_level"), put_level(&w, t->final);
    json_member_string(&w, "dropped", filter_name((filter)t->dropped));
    json_member_string(&w, "language", c->language);
    json_member_string(&w, "model", c->model);
    json_member_string(&w, "month", month);
    json_member_string(&w, "refusal", refusals[t->refusal & 3]);
    if (p->n > 1) {
        json_member_object(&w, "levels");
        for (size_t a = 0; a < p->n; a++) json_key(&w, p->annotators[a]->name), put_level(&w, answers[a]);
        json_end_object(&w);
        json_member_double(&w, "weight", t->weight);
    }
    json_end_object(&w);
    strbuf_putc(out, '\n');
}

void audit_line(const conversation *c, size_t at, const turn_state *t, strbuf *out) {
    char hash[17];
    json_writer w = json_writer_make(out);
    json_begin_object(&w);
    put_turn(&w, c, at);
    json_member_string(&w, "filter", filter_name((filter)t->dropped));
    for (int i = 0; i < 16; i++) hash[i] = "0123456789abcdef"[t->match >> (60 - 4 * i) & 15];
    hash[16] = '\0';
    json_member_string(&w, "match_hash", t->match ? hash : NULL);
    json_end_object(&w);
    strbuf_putc(out, '\n');
}
