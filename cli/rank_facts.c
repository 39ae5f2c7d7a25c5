#include "cli/rank_facts.h"

#include "base/file.h"
#include "base/hash.h"
#include "cli/version.h"
#include "data/source/sources.h"
#include "model/kernels/blas_library.h"
#include "model/kernels/kernels.h"
#include "model/kernels/onednn_library.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the machine -----------------------------------------------------------------------------------------------------
 */

typedef wr_status take_fact(void *context, const char *name, const char *value);

/* Variables that change numbers, dates in prompts, or how many threads there are; what they lead to is not seen
 * elsewhere. */
static const char *const variables[] = {
    "OMP_DYNAMIC",
    "OMP_SCHEDULE",
    "OMP_THREAD_LIMIT",
    "OMP_NESTED",
    "OMP_MAX_ACTIVE_LEVELS",
    "OPENBLAS_L2_SIZE",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_DEFAULT_FPMATH_MODE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_CPU_ISA_HINTS",
    "ONEDNN_CPU_ISA_HINTS",
    "SOURCE_DATE_EPOCH",
};

static wr_status number_fact(take_fact *take, void *context, const char *name, long long value) {
    char text[32];
    snprintf(text, sizeof text, "%lld", value);
    return take(context, name, text);
}

/* What the numbers of this process depend on. */
static wr_status arithmetic(take_fact *take, void *context) {
    wr_status status = WR_OK;
    char text[160];
    TRY(blas_library_load());
    TRY(onednn_library_load());
    const dnnl_version_t *v = onednn.dnnl_version();
    TRY(number_fact(take, context, "threads", omp_get_max_threads()));
    TRY(number_fact(take, context, "threads of OpenBLAS", openblas.openblas_get_num_threads()));
    TRY(take(context, "instruction set", kernels()->name));
    snprintf(text, sizeof text, "%s (%s)", openblas.openblas_get_corename(), openblas.openblas_get_config());
    TRY(take(context, "OpenBLAS", text));
    snprintf(text, sizeof text, "%d.%d.%d %s, instruction sets %#x", v->major, v->minor, v->patch, v->hash,
             (unsigned)onednn.dnnl_get_effective_cpu_isa());
    TRY(take(context, "oneDNN", text));
cleanup:
    return status;
}

/* Two builds of one commit are two programs. */
static wr_status program(take_fact *take, void *context) {
    wr_status status = WR_OK;
    char text[160], hash[HASH_HEX] = "unknown";
    if (hash_file_hex("/proc/self/exe", hash) < 0) snprintf(hash, sizeof hash, "unknown");
    snprintf(text, sizeof text, "%s, commit %s, file hash %.16s", version_string(), version_commit(), hash);
    TRY(take(context, "the program", text));
cleanup:
    return status;
}

static wr_status take_machine(void *context, const char *name, const char *value) {
    return facts_add_machine(context, name, value);
}

static wr_status libraries(rank_facts *out) {
    wr_status status = WR_OK;
    strbuf text = {0};
    version_text(&text);
    TRY(strbuf_status(&text));
    char *rest = text.data;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        char name[40];
        if (sscanf(line, "  %39s", name) != 1 || line[0] != ' ' || strcmp(name, "OpenBLAS") == 0 ||
            strcmp(name, "oneDNN") == 0)
            continue;
        TRY(facts_add_machine(out, name, line + 2 + strlen(name) + strspn(line + 2 + strlen(name), " ")));
    }
cleanup:
    strbuf_free(&text);
    return status;
}

static wr_status machine(rank_facts *out) {
    wr_status status = WR_OK;
    TRY(program(take_machine, out));
    TRY(arithmetic(take_machine, out));
    TRY(libraries(out));
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        const char *value = getenv(variables[i]);
        if (value) TRY(facts_add_machine(out, variables[i], value));
    }
cleanup:
    return status;
}

static wr_status take_line(void *context, const char *name, const char *value) {
    strbuf_printf(context, "%s: %s\n", name, value);
    return WR_OK;
}

wr_status machine_facts_text(strbuf *out) {
    wr_status status = WR_OK;
    char text[96];
    snprintf(text, sizeof text, "%s, commit %s", version_string(), version_commit());
    TRY(take_line(out, "the program", text));
    TRY(arithmetic(take_line, out));
    TRY(strbuf_status(out));
cleanup:
    return status;
}

/* --- inputs ----------------------------------------------------------------------------------------------------------
 */

static bool ends_in(const char *name, const char *end) {
    size_t n = strlen(name), k = strlen(end);
    return n >= k && strcmp(name + n - k, end) == 0;
}

/* What of a model's or a data folder is ever read. */
static bool is_input(const char *name) {
    static const char *const ends[] = {".json", ".jinja", ".txt", ".safetensors", ".wrs"};
    bool found = false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) found = found || ends_in(name, ends[i]);
    return found && name[0] != '.';
}

static wr_status add_input(rank_facts *out, const char *option, const char *path, bool whole) {
    wr_status status = WR_OK;
    strbuf name = {0};
    strbuf_printf(&name, "%s %s", option, path);
    TRY(strbuf_status(&name));
    TRY(facts_add_file(out, option, name.data, path, whole));
cleanup:
    strbuf_free(&name);
    return status;
}

/* A folder, the tokenizer's folder in it and its named chat templates. */
static wr_status add_folder(rank_facts *out, const char *option, const char *dir, bool whole) {
    wr_status status = WR_OK;
    char **names = NULL, path[PATH_CAP];
    size_t n = 0;
    if (dir_list(dir, "", "", &names, &n) < 0) return WR_OK; /* who reads it says so */
    for (size_t i = 0; i < n; i++) {
        if (path_join(path, dir, names[i]) < 0) continue;
        if ((strcmp(names[i], "tokenizer") == 0 || strcmp(names[i], "additional_chat_templates") == 0) &&
            dir_exists(path))
            TRY(add_folder(out, option, path, whole));
        else if (is_input(names[i]))
            TRY(add_input(out, option, path, whole));
    }
cleanup:
    names_free(names, n);
    return status;
}

static wr_status add_path(rank_facts *out, const char *option, const char *path, bool whole) {
    return dir_exists(path) ? add_folder(out, option, path, whole) : add_input(out, option, path, whole);
}

/* Files of prepare: as it finds them itself. What it cannot find it says itself. */
static wr_status add_sources(rank_facts *out, const options *o) {
    wr_status status = WR_OK;
    sources *s = NULL;
    for (size_t i = 0; i < options_count(o); i++) {
        const char *path = options_positional(o, i);
        if (strcmp(path, "-") == 0 || sources_open(&path, 1, &(source_options){0}, &s) < 0) continue;
        for (size_t k = 0; k < sources_files(s); k++) TRY(add_input(out, "source file", sources_path(s, k), true));
        sources_close(s);
        s = NULL;
    }
cleanup:
    sources_close(s);
    return status;
}

/* --- what was told ---------------------------------------------------------------------------------------------------
 */

static void option_name(const option_spec *spec, char out[80]) { snprintf(out, 80, "--%s", spec->name); }

static wr_status take_option(void *context, const option_spec *spec, const char *value) {
    char name[80];
    option_name(spec, name);
    return spec->may_differ ? WR_OK : facts_add_told(context, name, value ? value : "not set");
}

/* A number without a default of its own may follow from another option (--lr from --lora-rank): the other one is
 * named. */
static bool may_follow(const option_spec *spec) {
    return !spec->default_value && (spec->kind == OPT_INT || spec->kind == OPT_FLOAT);
}
static wr_status take_first(void *context, const option_spec *spec, const char *value) {
    return may_follow(spec) ? WR_OK : take_option(context, spec, value);
}
static wr_status take_then(void *context, const option_spec *spec, const char *value) {
    return may_follow(spec) ? take_option(context, spec, value) : WR_OK;
}

static wr_status take_input(void *context, const option_spec *spec, const char *value) {
    char name[80];
    option_name(spec, name);
    return value && spec->input != INPUT_NONE ? add_path(context, name, value, spec->input == INPUT_WHOLE) : WR_OK;
}

wr_status rank_facts_collect(const command *c, const options *o, rank_facts *out) {
    wr_status status = WR_OK;
    char text[64];
    snprintf(text, sizeof text, "%s%s%s", c ? c->name : "help or version", c && c->variant ? " " : "",
             c && c->variant ? c->variant : "");
    TRY(facts_add_told(out, "the command", text));
    TRY(o ? options_visit(o, take_first, out) : WR_OK);
    TRY(o ? options_visit(o, take_then, out) : WR_OK);
    for (size_t i = 0; o && i < options_count(o); i++) {
        snprintf(text, sizeof text, "argument %zu", i + 1);
        TRY(facts_add_told(out, text, options_positional(o, i)));
    }
    TRY(machine(out));
    TRY(o ? options_visit(o, take_input, out) : WR_OK);
    if (o && c && c->reads_sources) TRY(add_sources(out, o));
cleanup:
    return status;
}
