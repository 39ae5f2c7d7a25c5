/* Who works in a folder: a live process is never pushed aside, a dead one never waited for for long, on this host or
 * another, and one that was pushed aside writes no more. */
#include "base/file.h"
#include "base/folder_lock.h"
#include "base/lock.h"
#include "tests/support/temp_folder.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *fresh(const char *name) {
    assert_ok(dir_make(in_folder(name)));
    return in_folder(name);
}

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A holder of this folder on another host, whose latest beat was `age` seconds ago. Written over, as holders do: a file that is cut
 * first is nobody's for a moment. */
static void put_other(const char *folder, double age, double every) {
    char name[PATH_CAP], text[256];
    assert_ok(path_join(name, folder, "lock"));
    const int n =
        snprintf(text, sizeof text, "process 77 on far-away, job 9\nbeat %.2f every %.1f s\nmachine another/pid:[1]\n",
                 seconds() - age, every);
    const int fd = open(name, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0 && pwrite(fd, text, (size_t)n, 0) == n && ftruncate(fd, n) == 0);
    close(fd);
}

static void test_refused(void **state) {
    (void)state;
    folder_lock *l, *other;
    char pid[48];
    const char *folder = fresh("refused");
    setenv("SLURM_JOB_ID", "812", 1);
    assert_ok(folder_lock_take(folder, false, &l));
    unsetenv("SLURM_JOB_ID");
    close(open(in_folder("refused/lock"), O_RDWR)); /* as any library might: a lock of the process would be gone */
    assert_int_equal(folder_lock_take(folder, false, &other), WR_E_USAGE);
    snprintf(pid, sizeof pid, "in use by process %ld on ", (long)getpid());
    assert_error_says(pid);
    assert_error_says("job 812");
    assert_error_says("beat was ");
    assert_null(other);
    assert_ok(folder_lock_check(l));
    folder_lock_free(l);
    assert_ok(folder_lock_take(folder, false, &l));
    folder_lock_free(l);
    assert_ok(folder_lock_check(NULL));
    folder_lock_free(NULL);
}

/* The kernel lets go of the lock of a process that was killed. */
static void test_killed(void **state) {
    (void)state;
    const char *folder = fresh("killed");
    folder_lock *l;
    int ready[2];
    char c = 0;
    assert_int_equal(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        c = folder_lock_take(folder, false, &l) >= 0 ? 'y' : 'n';
        if (write(ready[1], &c, 1) == 1) pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(c, 'y');
    assert_int_equal(folder_lock_take(folder, false, &l), WR_E_USAGE);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_ok(folder_lock_take(folder, false, &l));
    folder_lock_free(l);
    close(ready[0]);
    close(ready[1]);
}

static atomic_bool far_lives;

static void *far_beats(void *folder) {
    while (far_lives) {
        put_other(folder, 1000, 2); /* its clock is far behind */
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    return NULL;
}

static void test_another_host(void **state) {
    (void)state;
    char folder[PATH_CAP]; /* in_folder's lasts not as long as this test */
    snprintf(folder, sizeof folder, "%s", fresh("far"));
    folder_lock *l;
    /* just now: whoever cannot wait is sent away */
    put_other(folder, 1, 0.5);
    assert_int_equal(folder_lock_take(folder, false, &l), WR_E_USAGE);
    assert_error_says("process 77 on far-away, job 9 (its last beat was ");
    /* … and whoever can finds out that it beats no more; a clock that is ahead does not help it */
    put_other(folder, -1000, 0.2);
    double began = seconds();
    assert_ok(folder_lock_take(folder, true, &l));
    assert_true(seconds() - began > 1);
    folder_lock_free(l);
    /* long ago: not waited for long */
    put_other(folder, 1000, 0.4);
    began = seconds();
    assert_ok(folder_lock_take(folder, false, &l));
    assert_true(seconds() - began > 0.9);
    folder_lock_free(l);
    /* beats that go on count, whatever the clock says */
    pthread_t thread;
    far_lives = true;
    put_other(folder, 1000, 2);
    assert_int_equal(pthread_create(&thread, NULL, far_beats, folder), 0);
    assert_int_equal(folder_lock_take(folder, true, &l), WR_E_USAGE);
    assert_error_says("far-away");
    far_lives = false;
    pthread_join(thread, NULL);
}

static void test_pushed_aside(void **state) {
    (void)state;
    folder_lock *l;
    const char *folder = fresh("aside");
    assert_ok(folder_lock_take(folder, false, &l));
    put_other(folder, 0, 5);
    assert_int_equal(folder_lock_check(l), WR_E_FAILED);
    assert_error_says("process 77 on far-away, job 9 took it over");
    folder_lock_free(l);
    char *text = get_file("aside/lock", NULL);
    assert_non_null(strstr(text, "far-away")); /* what is the other's stays */
    free(text);
}

/* Earlier builds had flock's lock, and wrote who they are alone. */
static void test_earlier_builds(void **state) {
    (void)state;
    static const char *const texts[] = {"process 1 on somewhere\n", "process 1", "",
                                        "process 1 on x\nbeat 1 every 1e9 s\nmachine y\n", "process 1 on x\nbeat\n"};
    const char *folder = fresh("earlier");
    folder_lock *l;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        put_text("earlier/lock", texts[i]);
        assert_ok(folder_lock_take(folder, false, &l));
        folder_lock_free(l);
    }
    put_text("earlier/lock", "process 4711 on somewhere\n");
    const int fd = open(in_folder("earlier/lock"), O_RDWR);
    assert_int_equal(lock_take(fd, NULL), LOCK_HELD);
    assert_int_equal(folder_lock_take(folder, false, &l), WR_E_USAGE);
    assert_error_says("process 4711 on somewhere;");
    close(fd);
    assert_ok(folder_lock_take(folder, false, &l));
    folder_lock_free(l);
}

/* A host's name and a job's are others' text. */
static void test_strange_names(void **state) {
    (void)state;
    folder_lock *l;
    put_text("strange-lock", "");
    const char *folder = fresh("strange");
    char text[128];
    snprintf(text, sizeof text, "process 5 on \x1b[31mred\nbeat %.2f every 5.0 s\nmachine q\n", seconds());
    put_text("strange/lock", text);
    assert_int_equal(folder_lock_take(folder, false, &l), WR_E_USAGE);
    assert_error_says("\\x1b[31mred");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_refused),        cmocka_unit_test(test_killed),
                                       cmocka_unit_test(test_another_host),   cmocka_unit_test(test_pushed_aside),
                                       cmocka_unit_test(test_earlier_builds), cmocka_unit_test(test_strange_names)};
    return cmocka_run_group_tests(tests, folder_set_up, folder_tear_down);
}
