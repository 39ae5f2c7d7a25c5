/* Arguments of filters, tests, methods and functions, as Python binds them. */
#include "text/chat/jinja_run.h"

#include <string.h>

/* Parameter i of "a b /c": its name and length; whether it is by position only. */
static const char *parameter(const char *names, size_t i, size_t *n, bool *position_only) {
    const char *p = names;
    for (;; i--) {
        while (*p == ' ') p++;
        *n = strcspn(p, " ");
        if (!*n) return NULL;
        if (!i) break;
        p += *n;
    }
    *position_only = *p == '/';
    if (*position_only) p++, --*n;
    return p;
}

wr_status take_arguments(const char *what, const call_arguments *args, const char *parameters, size_t required,
                         const value *out[PARAMETERS_MAX]) {
    size_t count = 0, n;
    bool position_only;
    for (size_t i = 0; i < PARAMETERS_MAX; i++) out[i] = NULL;
    while (count < PARAMETERS_MAX && parameter(parameters, count, &n, &position_only)) count++;
    for (size_t k = 0; k < args->n; k++) {
        size_t i = k;
        if (args->names[k]) {
            for (i = 0; i < count; i++) {
                const char *p = parameter(parameters, i, &n, &position_only);
                if (!position_only && strlen(args->names[k]) == n && memcmp(args->names[k], p, n) == 0) break;
            }
            if (i == count) return wr_fail(WR_E_FORMAT, "%s takes no argument named '%.40s'", what, args->names[k]);
        }
        if (i >= count) return wr_fail(WR_E_FORMAT, "%s takes no more than %zu arguments", what, count);
        if (out[i]) return wr_fail(WR_E_FORMAT, "an argument of %s is given twice", what);
        out[i] = &args->items[k];
    }
    for (size_t i = 0; i < required; i++)
        if (!out[i]) return wr_fail(WR_E_FORMAT, "%s takes more arguments", what);
    return WR_OK;
}

wr_status argument_integer(const char *what, const value *v, int64_t otherwise, int64_t *out) {
    *out = otherwise;
    if (!v) return WR_OK;
    if (!value_is_integer(*v)) return wr_fail(WR_E_FORMAT, "%s takes an int, not %s", what, value_type(*v));
    *out = value_integer(*v);
    return WR_OK;
}

wr_status argument_text(const char *what, const value *v, value *out) {
    if (v->kind != VALUE_STRING) return wr_fail(WR_E_FORMAT, "%s takes a str, not %s", what, value_type(*v));
    *out = *v;
    return WR_OK;
}

bool argument_flag(const value *v, bool otherwise) { return v ? value_truth(*v) : otherwise; }
