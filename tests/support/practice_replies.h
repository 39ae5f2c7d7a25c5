/* Tasks of the practice world from JSON, and its checker's verdict on replies. LOCAL. */
#ifndef WR_TESTS_SUPPORT_PRACTICE_REPLIES_H
#define WR_TESTS_SUPPORT_PRACTICE_REPLIES_H

#include "data/practice/practice_world.h"
#include "tests/support/asserts.h"

practice_task *task_of(const char *json);
double quality_of(const practice_task *t, const char *reply, size_t length);

#endif
