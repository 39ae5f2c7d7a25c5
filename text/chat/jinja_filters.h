/* The filters, one function each (jinja_filters.c, jinja_filters_list.c), for the table in jinja_filter_table.c. given:
 * arguments behind the value, by their place in the table's list; NULL: not given. LOCAL. */
#ifndef WR_TEXT_CHAT_JINJA_FILTERS_H
#define WR_TEXT_CHAT_JINJA_FILTERS_H

#include "text/chat/jinja_run.h"

typedef wr_status (*filter_fn)(run *r, value v, const value *const *given, value *out);
typedef wr_status (*free_filter_fn)(run *r, value v, const call_arguments *args, value *out);

wr_status filter_abs(run *r, value v, const value *const *given, value *out);
wr_status filter_attr(run *r, value v, const value *const *given, value *out);
wr_status filter_batch(run *r, value v, const value *const *given, value *out);
wr_status filter_capitalize(run *r, value v, const value *const *given, value *out);
wr_status filter_center(run *r, value v, const value *const *given, value *out);
wr_status filter_default(run *r, value v, const value *const *given, value *out);
wr_status filter_dictsort(run *r, value v, const value *const *given, value *out);
wr_status filter_escape(run *r, value v, const value *const *given, value *out);
wr_status filter_filesizeformat(run *r, value v, const value *const *given, value *out);
wr_status filter_first(run *r, value v, const value *const *given, value *out);
wr_status filter_float(run *r, value v, const value *const *given, value *out);
wr_status filter_forceescape(run *r, value v, const value *const *given, value *out);
wr_status filter_groupby(run *r, value v, const value *const *given, value *out);
wr_status filter_indent(run *r, value v, const value *const *given, value *out);
wr_status filter_int(run *r, value v, const value *const *given, value *out);
wr_status filter_items(run *r, value v, const value *const *given, value *out);
wr_status filter_join(run *r, value v, const value *const *given, value *out);
wr_status filter_last(run *r, value v, const value *const *given, value *out);
wr_status filter_length(run *r, value v, const value *const *given, value *out);
wr_status filter_list(run *r, value v, const value *const *given, value *out);
wr_status filter_lower(run *r, value v, const value *const *given, value *out);
wr_status filter_max(run *r, value v, const value *const *given, value *out);
wr_status filter_min(run *r, value v, const value *const *given, value *out);
wr_status filter_replace(run *r, value v, const value *const *given, value *out);
wr_status filter_reverse(run *r, value v, const value *const *given, value *out);
wr_status filter_round(run *r, value v, const value *const *given, value *out);
wr_status filter_safe(run *r, value v, const value *const *given, value *out);
wr_status filter_slice(run *r, value v, const value *const *given, value *out);
wr_status filter_sort(run *r, value v, const value *const *given, value *out);
wr_status filter_string(run *r, value v, const value *const *given, value *out);
wr_status filter_sum(run *r, value v, const value *const *given, value *out);
wr_status filter_title(run *r, value v, const value *const *given, value *out);
wr_status filter_tojson(run *r, value v, const value *const *given, value *out);
wr_status filter_trim(run *r, value v, const value *const *given, value *out);
wr_status filter_truncate(run *r, value v, const value *const *given, value *out);
wr_status filter_unique(run *r, value v, const value *const *given, value *out);
wr_status filter_upper(run *r, value v, const value *const *given, value *out);
wr_status filter_wordcount(run *r, value v, const value *const *given, value *out);

/* An item's attribute "a.b.0"; fallback (may be NULL): for what is undefined on the way. item_key: to compare by; name
 * NULL: the item itself. */
wr_status item_attribute(run *r, value item, value name, const value *fallback, value *out);
wr_status item_key(run *r, value item, const value *name, const value *fallback, bool case_sensitive, value *out);

/* Those that take any arguments. */
wr_status filter_format(run *r, value v, const call_arguments *args, value *out);
wr_status filter_map(run *r, value v, const call_arguments *args, value *out);
wr_status filter_reject(run *r, value v, const call_arguments *args, value *out);
wr_status filter_rejectattr(run *r, value v, const call_arguments *args, value *out);
wr_status filter_select(run *r, value v, const call_arguments *args, value *out);
wr_status filter_selectattr(run *r, value v, const call_arguments *args, value *out);

#endif
