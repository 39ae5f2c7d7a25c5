#include "model/kernels/onednn_library.h"

#include "base/shared_library.h"

onednn_library onednn;

/* The library of the version that the headers are of: 2 and 3 have other structures. */
#define TEXT(word) #word
#define TEXT_OF(word) TEXT(word)

#define ONEDNN_ROW(name) {#name, offsetof(onednn_library, name)},
static const shared_function functions[] = {ONEDNN_FUNCTIONS(ONEDNN_ROW){0}};
static const shared_library file = {.name = "oneDNN",
                                    .package = "libdnnl" TEXT_OF(DNNL_VERSION_MAJOR),
                                    .files = {"libdnnl.so." TEXT_OF(DNNL_VERSION_MAJOR)},
                                    .functions = functions};

wr_status onednn_library_load(void) { return shared_library_load(&file, &onednn); }
