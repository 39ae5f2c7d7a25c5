/* From a row to the struct that it fills: a value goes to base + place of the group + place of the member, converted
 * once, by the type that the member has. */
#include "base/options_internal.h"

#include <stdlib.h>
#include <string.h>

option_spec option_of_group(const option_group *g, const option_spec *row) {
    option_spec here = *row;
    here.at += g->at;
    for (const option_spec *v = g->varied; v && v->name; v++) {
        if (strcmp(v->name, row->name) != 0) continue;
        if (v->default_value) here.default_value = v->default_value;
        if (v->arg) here.arg = v->arg;
        if (v->help) here.help = v->help;
        if (v->min < v->max) here.min = v->min, here.max = v->max;
        here.required = here.required || v->required;
        if (v->resume) here.resume = v->resume;
    }
    return here;
}

/* The place of a word in "f32|bf16|auto". */
static int64_t word_place(const char *words, const char *word) {
    int64_t place = 0;
    const size_t n = strlen(word);
    for (const char *at = words; at; place++) {
        if (strcspn(at, "|") == n && memcmp(at, word, n) == 0) return place;
        at = strchr(at, '|');
        if (at) at++;
    }
    return 0; /* not reached: the value was checked */
}

static size_t field_size(option_field f) {
    static const size_t sizes[] = {
        [FIELD_TEXT] = sizeof(char *),       [FIELD_BOOL] = sizeof(bool), [FIELD_INT] = sizeof(int),
        [FIELD_UNSIGNED] = sizeof(unsigned), [FIELD_LONG] = sizeof(long), [FIELD_ULONG] = sizeof(unsigned long),
        [FIELD_DOUBLE] = sizeof(double)};
    return sizes[f];
}

static void put(const option_spec *row, const char *value, void *member) {
    const bool number = row->kind == OPT_INT || row->kind == OPT_CHOICE;
    const long whole = !number ? 0 : row->kind == OPT_INT ? strtol(value, NULL, 10) : word_place(row->values, value);
    bool flag = false;
    switch (row->field) {
    case FIELD_NONE:
        break;
    case FIELD_TEXT:
        *(const char **)member = value;
        break;
    case FIELD_BOOL:
        *(bool *)member = number ? whole == 1 : option_flag_value(value, &flag) && flag;
        break;
    case FIELD_INT:
        *(int *)member = (int)whole;
        break;
    case FIELD_UNSIGNED:
        *(unsigned *)member = (unsigned)whole;
        break;
    case FIELD_LONG:
        *(long *)member = whole;
        break;
    case FIELD_ULONG:
        *(unsigned long *)member = (unsigned long)whole;
        break;
    case FIELD_DOUBLE:
        *(double *)member = strtod(value, NULL);
        break;
    }
}

wr_status options_fill(const options *o, void *out, size_t size) {
    for (size_t i = 0; i < o->count; i++) {
        const option_spec *row = o->entries[i].spec;
        if (row->at > size || field_size(row->field) > size - row->at)
            return wr_fail(WR_E_FAILED, "--%s lies at byte %zu of a struct of %zu", row->name, row->at, size);
        if (o->entries[i].value) put(row, o->entries[i].value, (char *)out + row->at);
    }
    return WR_OK;
}
