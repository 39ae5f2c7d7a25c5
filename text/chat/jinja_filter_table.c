/* All filters of Jinja 3.1, with the names of their arguments. */
#include "text/chat/jinja_filters.h"

#include <string.h>

static const struct filter {
    const char *name;
    filter_fn run;      /* neither: it exists, and is not supported */
    free_filter_fn any; /* in place of run: takes any arguments */
    const char *parameters;
    size_t required;
} filters[] = {{"abs", filter_abs, NULL, "", 0},
               {"attr", filter_attr, NULL, "name", 1},
               {"batch", filter_batch, NULL, "linecount fill_with", 1},
               {"capitalize", filter_capitalize, NULL, "", 0},
               {"center", filter_center, NULL, "width", 0},
               {"count", filter_length, NULL, "", 0},
               {"d", filter_default, NULL, "default_value boolean", 0},
               {"default", filter_default, NULL, "default_value boolean", 0},
               {"dictsort", filter_dictsort, NULL, "case_sensitive by reverse", 0},
               {"e", filter_escape, NULL, "", 0},
               {"escape", filter_escape, NULL, "", 0},
               {"filesizeformat", filter_filesizeformat, NULL, "binary", 0},
               {"first", filter_first, NULL, "", 0},
               {"float", filter_float, NULL, "default", 0},
               {"forceescape", filter_forceescape, NULL, "", 0},
               {"format", NULL, filter_format, "", 0},
               {"groupby", filter_groupby, NULL, "attribute default case_sensitive", 1},
               {"indent", filter_indent, NULL, "width first blank", 0},
               {"int", filter_int, NULL, "default base", 0},
               {"items", filter_items, NULL, "", 0},
               {"join", filter_join, NULL, "d attribute", 0},
               {"last", filter_last, NULL, "", 0},
               {"length", filter_length, NULL, "", 0},
               {"list", filter_list, NULL, "", 0},
               {"lower", filter_lower, NULL, "", 0},
               {"map", NULL, filter_map, "", 0},
               {"max", filter_max, NULL, "case_sensitive attribute", 0},
               {"min", filter_min, NULL, "case_sensitive attribute", 0},
               {"pprint", NULL, NULL, "", 0},
               {"random", NULL, NULL, "", 0},
               {"reject", NULL, filter_reject, "", 0},
               {"rejectattr", NULL, filter_rejectattr, "", 0},
               {"replace", filter_replace, NULL, "old new count", 2},
               {"reverse", filter_reverse, NULL, "", 0},
               {"round", filter_round, NULL, "precision method", 0},
               {"safe", filter_safe, NULL, "", 0},
               {"select", NULL, filter_select, "", 0},
               {"selectattr", NULL, filter_selectattr, "", 0},
               {"slice", filter_slice, NULL, "slices fill_with", 1},
               {"sort", filter_sort, NULL, "reverse case_sensitive attribute", 0},
               {"string", filter_string, NULL, "", 0},
               {"striptags", NULL, NULL, "", 0},
               {"sum", filter_sum, NULL, "attribute start", 0},
               {"title", filter_title, NULL, "", 0},
               {"tojson", filter_tojson, NULL, "ensure_ascii indent separators sort_keys", 0},
               {"trim", filter_trim, NULL, "chars", 0},
               {"truncate", filter_truncate, NULL, "length killwords end leeway", 0},
               {"unique", filter_unique, NULL, "case_sensitive attribute", 0},
               {"upper", filter_upper, NULL, "", 0},
               {"urlencode", NULL, NULL, "", 0},
               {"urlize", NULL, NULL, "", 0},
               {"wordcount", filter_wordcount, NULL, "", 0},
               {"wordwrap", NULL, NULL, "", 0},
               {"xmlattr", NULL, NULL, "", 0}};

static const struct filter *find(const char *name) {
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (strcmp(filters[i].name, name) == 0) return &filters[i];
    return NULL;
}

bool is_filter(const char *name) { return find(name) != NULL; }

wr_status run_filter(run *r, const char *name, value operand, const call_arguments *args, value *out) {
    wr_status status = WR_OK;
    const struct filter *f = find(name);
    const value *given[PARAMETERS_MAX];
    char what[80] = "the filter ";
    if (!f) return wr_fail(WR_E_FORMAT, "there is no filter named '%.40s'", name);
    if (!f->run && !f->any) return wr_fail(WR_E_FORMAT, "the filter '%s' is not supported", name);
    if (f->any) return f->any(r, operand, args, out);
    if (operand.kind == VALUE_STRING) TRY(run_spend(r, operand.n / TEXT_STEP));
    TRY(take_arguments(strncat(what, name, 60), args, f->parameters, f->required, given));
    TRY(f->run(r, operand, given, out));
cleanup:
    return status;
}
