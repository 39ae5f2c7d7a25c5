/* What base/option_settings.h asks of a row of a table that brings options of its own. */
#ifndef WR_TESTS_SUPPORT_SETTING_ROWS_H
#define WR_TESTS_SUPPORT_SETTING_ROWS_H

#include "base/option_settings.h"
#include "tests/support/asserts.h"

/* Numbers and flags alone, and no more than there is room for. */
static inline void assert_setting_rows(const option_spec *rows) {
    for (const option_spec *row = rows; row->name; row++) {
        assert_true(row->kind == OPT_INT || row->kind == OPT_FLOAT || row->kind == OPT_FLAG);
        assert_true(row - rows < OPTION_SETTINGS);
    }
}

#endif
