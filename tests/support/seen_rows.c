#include "tests/support/seen_rows.h"

wr_status note(void *context, const conversation *c, row_fault fault, const char *where) {
    seen *s = context;
    if ((c != NULL) != (fault == ROW_GOOD)) return wr_fail(WR_E_FAILED, "a row of fault %d", fault);
    if (s->stop_at && s->rows == s->stop_at) return wr_fail(WR_E_FAILED, "stopped");
    s->rows++;
    strbuf_printf(&s->ids, "%s ", c ? c->id : row_fault_name(fault));
    strbuf_printf(&s->places, "%s\n", where);
    return WR_OK;
}

void seen_free(seen *s) {
    strbuf_free(&s->ids);
    strbuf_free(&s->places);
    *s = (seen){0};
}
