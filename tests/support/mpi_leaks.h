/* Included once by a unit test that starts MPI: Open MPI 4 and what it loads keep memory until the process ends, so
 * leaks are not looked for. */
#ifndef WR_TESTS_SUPPORT_MPI_LEAKS_H
#define WR_TESTS_SUPPORT_MPI_LEAKS_H

__attribute__((visibility("default"))) int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void) { return 1; }

#endif
