/* The OpenMP functions in use, for clang-tidy where clang has no <omp.h> of its own. */
#ifndef WR_TESTS_LINT_OMP_H
#define WR_TESTS_LINT_OMP_H
int omp_get_max_threads(void);
int omp_get_num_threads(void);
int omp_get_thread_num(void);
int omp_get_num_procs(void);
int omp_in_parallel(void);
void omp_set_num_threads(int n);
double omp_get_wtime(void);
void omp_set_dynamic(int on);
#endif
