#include "evaluate/suites/suite.h"

#include <stdlib.h>
#include <string.h>

#define SUITE_ROW(function, name_) &suite_##function,
static const suite *const suites[] = {SUITES(SUITE_ROW)};
static const size_t n_suites = sizeof suites / sizeof *suites;

const suite *suite_find(const char *name) {
    for (size_t i = 0; i < n_suites; i++)
        if (strcmp(suites[i]->name, name) == 0) return suites[i];
    return NULL;
}

const suite *suite_at(size_t i) { return i < n_suites ? suites[i] : NULL; }
