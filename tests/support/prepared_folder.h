/* Small runs of prepare, and what their folders hold. LOCAL. */
#ifndef WR_TESTS_SUPPORT_PREPARED_FOLDER_H
#define WR_TESTS_SUPPORT_PREPARED_FOLDER_H

#include "base/json.h"
#include "data/prepare/prepare.h"
#include "tests/support/temp_folder.h"

/* One source; a vocabulary of 300, frames of every size, no filter on lengths. */
prepare_options prepare_options_for(const char *const *source, const char *out, const char *format);
/* A folder's meta.json. */
const json_value *load_meta(arena *a, const char *out);
/* A number of its funnel; -1 where there is none. */
int64_t counted_in_meta(const json_value *meta, const char *stage, const char *name);
size_t lines_of(const char *out, const char *name);
/* Two folders hold the same files, byte for byte. */
void same_folder(const char *a, const char *b);

#endif
