/* The only place that exits. Finds the sub-command, parses its options, gives it a world where it needs one, and turns
 * its status into the one error line and the exit code. */
#include "cli/command.h"

#include "base/log.h"
#include "base/map_guard.h"
#include "cli/library_env.h"
#include "cli/path_hint.h"
#include "cli/rank_facts.h"
#include "cli/version.h"
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MOST_GROUPS = 64 };

/* This process's rank as its launcher tells it, without MPI_Init; 0 without a launcher. */
static int launched_rank(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value) {
            return atoi(value);
        }
    }
    return 0;
}

static log_level log_threshold(void) {
    const char *value = getenv("WILDREWARD_LOG");
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (int i = 0; value && i < 4; i++) {
        if (strcmp(value, names[i]) == 0) {
            return (log_level)i;
        }
    }
    return LOG_INFO;
}

/* Text for standard output; a full disk or closed pipe there is an error like any other. */
static wr_status print(const strbuf *text) {
    bool ok =
        strbuf_status(text) >= 0 && fwrite(strbuf_str(text), 1, text->len, stdout) == text->len && fflush(stdout) == 0;
    return ok ? WR_OK : wr_fail(WR_E_IO, "cannot write standard output");
}

static void program_help(strbuf *out) {
    strbuf_puts(out, "usage: wildreward COMMAND [OPTION]…\n       mpirun -n N wildreward COMMAND [OPTION]…\n\n"
                     "From chats to feedback labels, to a reward model, to a better policy.\n\ncommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const command *c = commands[i];
        if (c) {
            char name[64];
            snprintf(name, sizeof name, "%s%s%s", c->name, c->variant ? " " : "", c->variant ? c->variant : "");
            strbuf_printf(out, "  %-14s %s\n", name, c->summary);
        }
    }
    strbuf_puts(out, "\n  wildreward COMMAND --help    the command's options\n  wildreward --version         versions "
                     "of this program and its libraries\n\n"
                     "exit codes: 0 done; 1 failed, or some records were bad; 2 usage; 75 stopped early with "
                     "everything saved, please requeue\n");
}

static void command_help(const command *c, const option_group *groups, strbuf *out) {
    strbuf_printf(out, "usage: wildreward %s\n\n%s\n\noptions:\n", c->usage, c->summary);
    options_help(groups, out);
}

static wr_status unknown_command(const char *word) {
    const char *names[COMMAND_COUNT + 1] = {NULL};
    size_t n = 0;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (commands[i]) {
            names[n++] = commands[i]->name;
        }
    }
    const char *near = nearest_name(word, names);
    return wr_fail(WR_E_USAGE, "unknown command '%s'%s%s%s", word,
                   near ? "; did you mean '" : "; wildreward --help lists them", near ? near : "", near ? "'?" : "");
}

/* The command that argv[1] (and argv[2]) name; *words of them. *help: only a first word with --help ("train --help")
 * stood there. */
static wr_status find_command(int argc, char **argv, const command **out, int *words, strbuf *help) {
    const char *variants[COMMAND_COUNT + 1] = {NULL};
    size_t n = 0;
    strbuf list = {0};
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const command *c = commands[i];
        if (!c || strcmp(c->name, argv[1]) != 0) {
            continue;
        }
        if (!c->variant || (argc > 2 && strcmp(c->variant, argv[2]) == 0)) {
            *out = c;
            *words = c->variant ? 2 : 1;
            strbuf_free(&list);
            return WR_OK;
        }
        strbuf_printf(&list, "%s%s", n ? ", " : "", c->variant);
        variants[n++] = c->variant;
        strbuf_printf(help, "usage: wildreward %s\n  %s\n", c->usage, c->summary);
    }
    wr_status status;
    if (n == 0) {
        status = unknown_command(argv[1]);
    } else if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        status = WR_END;
    } else if (argc > 2 && argv[2][0] != '-') {
        const char *near = nearest_name(argv[2], variants);
        status = wr_fail(WR_E_USAGE, "unknown command '%s %s'%s%s%s%s%s; there is: %s", argv[1], argv[2],
                         near ? "; did you mean '" : "", near ? argv[1] : "", near ? " " : "", near ? near : "",
                         near ? "'?" : "", strbuf_str(&list));
    } else {
        status = wr_fail(WR_E_USAGE, "'%s' needs a second word: %s", argv[1], strbuf_str(&list));
    }
    strbuf_free(&list);
    return status;
}

/* The one line. */
static void report(wr_status status, int rank) {
    char where[32] = "";
    if (status >= 0) {
        return;
    }
    if (rank > 0) {
        snprintf(where, sizeof where, "[rank %d] ", rank);
    }
    fflush(stdout);
    fprintf(stderr, "wildreward: %s: %s%s\n", status == WR_E_INTERRUPTED ? "stopped" : "error", where, wr_error());
}

/* A mapped file that someone cut short (a model that is written over in place) ends the process wherever it is read:
 * one line, then at once, since the thread cannot go on and no lock may be waited for. Under MPI the launcher sees a
 * rank leave without MPI_Finalize and ends the others. Anything else is no fault of a file: the signal's own end. */
static void on_bus_error(int number, siginfo_t *info, void *context) {
    static const char
        before[] = "wildreward: error: ",
        after[] =
            ": the file became shorter, or could not be read, while it was in use; put it back whole and start again\n";
    static atomic_flag told = ATOMIC_FLAG_INIT;
    const char *path = map_guard_find(info->si_addr);
    (void)context;
    if (!path) {
        signal(number, SIG_DFL);
        return;
    }
    if (atomic_flag_test_and_set(&told)) {
        for (;;) pause(); /* another thread is telling it */
    }
    struct iovec parts[] = {{(void *)(uintptr_t)before, sizeof before - 1},
                            {(void *)(uintptr_t)path, strlen(path)},
                            {(void *)(uintptr_t)after, sizeof after - 1}};
    if (writev(STDERR_FILENO, parts, 3) < 0) _exit(1);
    _exit(1);
}

/* Again after MPI_Init, which may put its own in the place. */
static void watch_mappings(void) {
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);
}

/* Rank 0 says these for all: people look there. A peer's failure was also printed where it happened; what several
 * ranks found alike, the lowest of them says. */
static bool others_say(wr_status status) {
    return status == WR_E_USAGE || status == WR_E_PEER || status == WR_E_INTERRUPTED || wr_error_left_to_others();
}

/* Options that every command has. */
static const option_spec common_options[] = {
    OPTION_NAMED("file-mode", OPT_CHOICE, "private", "private|umask",
                 "who may read what is written: you alone (files 0600, folders 0700), or as your umask says",
                 .resume = RESUME_FREE),
    OPTION_NAMED("stall-limit", OPT_FLOAT, "45", "SECONDS",
                 "of several ranks, one that has given no sign of life for so long (stopped, or its machine gone) is "
                 "named, and the job ends; 0: never",
                 .min = 0, .max = 1e6, .resume = RESUME_FREE),
    OPTION_NAMED("task-limit", OPT_FLOAT, "0", "SECONDS",
                 "of several ranks, one that has been at one task for so long, though it gives signs of life, ends the "
                 "job; 0: never, only told every now and then",
                 .min = 0, .max = 1e9, .resume = RESUME_FREE),
    {0},
};

/* The command's groups and the common one. */
static wr_status all_groups(const command *c, option_group out[MOST_GROUPS]) {
    size_t n = 0;
    for (; c->groups[n].rows; n++) {
        if (n + 2 >= MOST_GROUPS) {
            return wr_fail(WR_E_FAILED, "%s has too many groups of options", c->name);
        }
        out[n] = c->groups[n];
    }
    out[n] = (option_group){.rows = common_options};
    out[n + 1] = (option_group){0};
    return WR_OK;
}

/* The process's umask: so that no file that a library makes is forgotten. */
static void set_file_mode(const options *o) {
    if (strcmp(options_str(o, "file-mode"), "private") == 0) {
        umask(umask(0) | 077);
    }
}

/* What a process was told to do. */
typedef struct call {
    const command *c; /* NULL: unknown, or help */
    options *o;
    wr_status told; /* is it a call at all? */
    strbuf text;    /* instead of a command: to be printed */
    bool print;
    /* the program's own --version or --help: printed without MPI, whose start would take three times as long */
    bool general;
} call;

static wr_status call_alone(const call *a) {
    return a->print ? print(&a->text) : path_hint(a->c->run(a->o, NULL), a->o);
}

/* COLLECTIVE. All ranks were told the same, are the same, and read the same. */
static wr_status same_call(const call *a, world *w) {
    rank_facts facts = {0};
    wr_status status =
        a->told < 0 ? a->told : path_hint(rank_facts_collect(a->print ? NULL : a->c, a->o, &facts), a->o);
    status = world_same(w, status, &facts);
    facts_free(&facts);
    return status;
}

/* COLLECTIVE. Whoever was told nonsense has no limits: rank 0's count. */
static void watch_ranks(const call *a, world *w) {
    watch_options o = {.again = a->c && a->c->goes_on ? a->c->goes_on : "start it anew"};
    if (a->told == WR_OK && a->o) {
        o.silent_s = options_float(a->o, "stall-limit");
        o.task_s = options_float(a->o, "task-limit");
    }
    world_watch(w, &o);
}

/* In a world of ranks. A command that needs none, and a text, are rank 0's; the others wait. */
static wr_status call_together(const call *a, int *argc, char ***argv, int *rank) {
    world *w = NULL;
    wr_status status = world_create(argc, argv, &w);
    if (status < 0) {
        report(status, *rank);
        return status;
    }
    *rank = world_rank(w);
    watch_mappings();
    log_setup(*rank, log_threshold());
    watch_ranks(a, w);
    world_task(w, "comparing what the ranks were told and read");
    status = same_call(a, w);
    const bool alike = status < 0;
    if (status >= 0 && a->c)
        world_task(w, "%s%s%s", a->c->name, a->c->variant ? " " : "", a->c->variant ? a->c->variant : "");
    if (status >= 0 && a->c && a->c->needs_world && !a->print) {
        status = path_hint(a->c->run(a->o, w), a->o);
    } else if (status >= 0) {
        world_signals_default();
        status = *rank == 0 ? call_alone(a) : WR_OK;
    }
    if (*rank == 0 || !(alike || others_say(status))) {
        report(status, *rank); /* before MPI_Finalize, in which a launcher may lose it */
    }
    if (!alike && !(a->c && a->c->needs_world)) {
        world_barrier(w); /* with sleeps, which MPI_Finalize does not */
    }
    world_free(w);
    return status;
}

static wr_status carry_out(const call *a, int *argc, char ***argv, int rank) {
    const bool world_wanted = a->told >= 0 && !a->print && a->c->needs_world;
    if (!a->general && (world_launched_many() || world_wanted)) {
        return call_together(a, argc, argv, &rank);
    }
    wr_status status = a->told < 0 ? a->told : rank == 0 ? call_alone(a) : WR_OK;
    report(status, rank);
    return status;
}

/* What argv asks for, beyond the program's own --help and --version. */
static void understand(int argc, char **argv, call *a) {
    option_group groups[MOST_GROUPS] = {0};
    int words = 0;
    bool help = false;
    a->told = find_command(argc, argv, &a->c, &words, &a->text);
    if (a->told == WR_OK) {
        a->told = all_groups(a->c, groups);
        if (a->told == WR_OK) a->told = options_parse(groups, argc - 1 - words, argv + 1 + words, &a->o, &help);
        if (help) {
            command_help(a->c, groups, &a->text);
            a->told = WR_OK;
        } else if (a->told == WR_OK && a->c->no_positionals && options_count(a->o) > 0) {
            a->told = wr_fail(WR_E_USAGE, "%s takes no argument '%s'; wildreward %s --help shows its options", argv[1],
                              options_positional(a->o, 0), argv[1]);
        } else if (a->told == WR_OK && a->c->resolve) {
            a->told = a->c->resolve(a->o);
        }
    }
    a->print = help || a->told == WR_END;
    if (a->told == WR_OK && !a->print) {
        set_file_mode(a->o);
    }
}

static bool is_help(const char *word) { return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0; }

static bool is_version(const char *word) { return strcmp(word, "--version") == 0 || strcmp(word, "version") == 0; }

/* Whether a text is all that is asked for, by its words alone: options are read once, for a run file may be a pipe. */
static bool only_tells(int argc, char **argv) {
    bool tells = argc < 2 || is_version(argv[1]) || strcmp(argv[1], "help") == 0;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) tells = tells || is_help(argv[i]);
    return tells;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error with a message, not a silent death */
    watch_mappings();
    int rank = launched_rank();
    log_setup(rank, log_threshold());
    if (world_launched_many() || !only_tells(argc, argv)) library_env_choose(argv);
    /* Buffers of a few MB come and go with every step; by default each is mapped, faulted in and unmapped anew, which
     * costs a large all-reduce most of its time. */
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    call a = {0};
    bool version = argc > 1 && is_version(argv[1]);
    if (argc < 2) {
        strbuf text = {0};
        program_help(&text);
        if (rank == 0) fputs(strbuf_str(&text), stderr);
        strbuf_free(&text);
        a.told = wr_fail(WR_E_USAGE, "no command given");
    } else if (version || is_help(argv[1]) || strcmp(argv[1], "help") == 0) {
        version ? version_text(&a.text) : program_help(&a.text);
        a.print = a.general = true;
    } else {
        understand(argc, argv, &a);
    }
    wr_status status = carry_out(&a, &argc, &argv, rank);
    options_free(a.o);
    strbuf_free(&a.text);
    return exit_code(status);
}
