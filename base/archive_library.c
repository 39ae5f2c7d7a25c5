#include "base/archive_library.h"

#include "base/shared_library.h"

archive_library libarchive;

#define ARCHIVE_ROW(name) {#name, offsetof(archive_library, name)},
static const shared_function functions[] = {ARCHIVE_FUNCTIONS(ARCHIVE_ROW){0}};
static const shared_library file = {
    .name = "libarchive", .package = "libarchive13", .files = {"libarchive.so.13"}, .functions = functions};

wr_status archive_library_load(void) { return shared_library_load(&file, &libarchive); }
