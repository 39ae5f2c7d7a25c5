/* Shared libraries that are loaded when they are first needed. Loading is nearly all the time that a command takes
 * which computes nothing: libcurl brings thirty libraries, oneDNN 31,000 addresses to relocate, OpenBLAS a Fortran
 * runtime. LOCAL; from any thread. */
#ifndef WR_BASE_SHARED_LIBRARY_H
#define WR_BASE_SHARED_LIBRARY_H

#include "base/status.h"

#include <stddef.h>

typedef struct shared_function {
    const char *symbol; /* NULL ends a list */
    size_t offset;      /* of the pointer to it in the user's table */
} shared_function;

typedef struct shared_library {
    const char *name;     /* as users know it, and what it is for: "libcurl, which speaks to the endpoint," */
    const char *package;  /* Debian's */
    const char *files[3]; /* names to try, in this order; NULL ends */
    const shared_function *functions;
} shared_library;

/* Fills the table of function pointers (zeroed before), all or none, from what the process has loaded already
 * (LD_PRELOAD, a program linked to it) or else from the first file that can be loaded; it stays loaded. Again: nothing.
 * WR_E_FAILED: it is not there, or lacks a function; names the reason and the package. */
wr_status shared_library_load(const shared_library *l, void *table);

#endif
