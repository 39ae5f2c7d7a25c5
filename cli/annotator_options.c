#include "cli/annotator_options.h"

#include "base/file.h"
#include "data/label/annotate/endpoint.h"
#include "data/label/annotate/lexicon_annotator.h"

#include <stdio.h>
#include <string.h>

const option_spec annotator_options[] = {
    {.name = "annotator",
     .kind = OPT_STRING,
     .default_value = "lexicon",
     .arg = "LIST",
     .help = "who grades follow-ups: lexicon (word lists), endpoint (a model behind HTTP), model (a local checkpoint); "
             "several, with commas: their consensus"},
    {.name = "refusals",
     .kind = OPT_CHOICE,
     .default_value = "lexicon",
     .arg = "lexicon|endpoint|model",
     .help = "who says whether a reply refused, and rightly"},
    {.name = "similarity",
     .kind = OPT_CHOICE,
     .default_value = "tfidf",
     .arg = "tfidf|endpoint|model",
     .help = "topic similarity of turns, for mining: words, embeddings of the endpoint, or states of the model"},
    {.name = "lexicon-rules",
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "FILE",
     .help = "rules of the lexicon, instead of the built-in data/rules/lexicon.txt"},
    {.name = "refusal-rules",
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "FILE",
     .help = "phrases of refusals and of harm, instead of data/rules/refusals.txt"},
    {.name = "endpoint",
     .kind = OPT_STRING,
     .arg = "URL",
     .help = "OpenAI-compatible service, e.g. http://127.0.0.1:8000/v1"},
    {.name = "endpoint-model", .kind = OPT_STRING, .arg = "NAME", .help = "chat model of the endpoint"},
    {.name = "endpoint-embedding-model",
     .kind = OPT_STRING,
     .arg = "NAME",
     .help = "embedding model of the endpoint, for --similarity endpoint (default: --endpoint-model)"},
    {.name = "endpoint-parallel",
     .may_differ = true,
     .kind = OPT_INT,
     .default_value = "64",
     .arg = "N",
     .help = "requests in flight, of each rank",
     .min = 1,
     .max = 4096},
    {.name = "endpoint-timeout",
     .may_differ = true,
     .kind = OPT_FLOAT,
     .default_value = "120",
     .arg = "S",
     .help = "seconds that one try may take",
     .min = 0.01,
     .max = 86400},
    {.name = "endpoint-retries",
     .may_differ = true,
     .kind = OPT_INT,
     .default_value = "6",
     .arg = "N",
     .help = "further tries after a failure that may pass",
     .min = 0,
     .max = 100},
    {.name = "endpoint-backoff",
     .may_differ = true,
     .kind = OPT_FLOAT,
     .default_value = "0.5",
     .arg = "S",
     .help = "seconds before the first retry; doubles up to a minute, with jitter",
     .min = 0.001,
     .max = 60},
    {.name = "endpoint-temperature",
     .kind = OPT_FLOAT,
     .default_value = "0",
     .arg = "X",
     .help = "0: the likeliest answer",
     .min = 0,
     .max = 10},
    {.name = "endpoint-max-tokens",
     .kind = OPT_INT,
     .default_value = "256",
     .arg = "N",
     .help = "limit of an answer; more for models that think first; 0: the server's own",
     .min = 0,
     .max = 1e6},
    {.name = "endpoint-extra",
     .kind = OPT_STRING,
     .arg = "JSON",
     .help = "further members of a request, e.g. '{\"chat_template_kwargs\":{\"enable_thinking\":false}}'"},
    {.name = "endpoint-history",
     .kind = OPT_INT,
     .default_value = "4",
     .arg = "N",
     .help = "earlier messages that a prompt shows",
     .min = 0,
     .max = 2000},
    {.name = "endpoint-clip",
     .kind = OPT_INT,
     .default_value = "4000",
     .arg = "N",
     .help = "characters of a message that a prompt shows, beginning and end; 0: all",
     .min = 0,
     .max = 1e9},
    {.name = "endpoint-key-env",
     .kind = OPT_STRING,
     .default_value = "WILDREWARD_API_KEY",
     .arg = "NAME",
     .help = "environment variable that holds the API key; no key is sent when the default one is not set"},
    {.name = "endpoint-ca",
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "FILE",
     .help = "certificates (PEM) to trust instead of the system's"},
    {.name = "endpoint-price-in",
     .kind = OPT_FLOAT,
     .default_value = "0",
     .arg = "X",
     .help = "price of a million prompt tokens, to count the cost",
     .min = 0,
     .max = 1e9},
    {.name = "endpoint-price-out",
     .kind = OPT_FLOAT,
     .default_value = "0",
     .arg = "X",
     .help = "price of a million answer tokens",
     .min = 0,
     .max = 1e9},
    {.name = "answer-cache",
     .kind = OPT_STRING,
     .arg = "DIR",
     .help = "where answers of the endpoint and the model are kept (default: the --out folder's name with .answers)"},
    {.name = "prompts",
     .input = INPUT_WHOLE,
     .kind = OPT_STRING,
     .arg = "DIR",
     .help = "folder with an own annotate.txt or refusal.txt for the endpoint"},
    {0},
};

/* Everything that makes annotators, by name. */
typedef struct maker {
    const options *o;
    world *w;
    annotator_set *set;
    bool chat, embeddings; /* what the endpoint is wanted for */
} maker;

static wr_status make_lexicon(maker *m, annotator **out) {
    return annotator_lexicon_create(options_str(m->o, "lexicon-rules"), options_str(m->o, "refusal-rules"), out);
}

wr_status annotator_cache_folder(const options *o, char out[PATH_CAP]) {
    const char *given = options_str(o, "answer-cache"), *folder = options_str(o, "out");
    size_t n = folder ? strlen(folder) : 0;
    while (n > 1 && folder[n - 1] == '/') n--;
    if (!given && n == 0)
        return wr_fail(WR_E_USAGE, "--answer-cache DIR is needed: answers of the endpoint or the model are kept there");
    int length = given ? snprintf(out, PATH_CAP, "%s", given) : snprintf(out, PATH_CAP, "%.*s.answers", (int)n, folder);
    return length < 0 || length >= PATH_CAP ? wr_fail(WR_E_USAGE, "--answer-cache: the name is too long") : WR_OK;
}

static wr_status make_endpoint(maker *m, annotator **out) {
    wr_status status = WR_OK;
    const options *o = m->o;
    char cache[PATH_CAP];
    if (!options_str(o, "endpoint"))
        return wr_fail(WR_E_USAGE, "--endpoint URL is needed, e.g. http://127.0.0.1:8000/v1");
    if (m->chat && !options_str(o, "endpoint-model"))
        return wr_fail(WR_E_USAGE, "--endpoint-model NAME is needed: the chat model of %s", options_str(o, "endpoint"));
    const char *embedding = options_str(o, "endpoint-embedding-model");
    if (!embedding) embedding = options_str(o, "endpoint-model");
    if (m->embeddings && !embedding)
        return wr_fail(WR_E_USAGE, "--endpoint-embedding-model NAME is needed for --similarity endpoint");
    TRY(annotator_cache_folder(o, cache));
    endpoint_options e = {.url = options_str(o, "endpoint"),
                          .model = m->chat ? options_str(o, "endpoint-model") : NULL,
                          .embedding_model = m->embeddings ? embedding : NULL,
                          .key_env = options_str(o, "endpoint-key-env"),
                          .key_needed = options_given(o, "endpoint-key-env"),
                          .ca_file = options_str(o, "endpoint-ca"),
                          .cache_dir = cache,
                          .rank = m->w ? world_rank(m->w) : 0,
                          .prompts_dir = options_str(o, "prompts"),
                          .in_flight = (size_t)options_int(o, "endpoint-parallel"),
                          .timeout_s = options_float(o, "endpoint-timeout"),
                          .retries = (int)options_int(o, "endpoint-retries"),
                          .backoff_s = options_float(o, "endpoint-backoff"),
                          .temperature = options_float(o, "endpoint-temperature"),
                          .max_tokens = (int)options_int(o, "endpoint-max-tokens"),
                          .extra = options_str(o, "endpoint-extra"),
                          .history = (size_t)options_int(o, "endpoint-history"),
                          .characters = (size_t)options_int(o, "endpoint-clip"),
                          .price_in = options_float(o, "endpoint-price-in"),
                          .price_out = options_float(o, "endpoint-price-out")};
    TRY(annotator_endpoint_create(&e, out));
cleanup:
    return status;
}

static wr_status make_model(maker *m, annotator **out) {
    wr_status status = WR_OK;
    char folder[PATH_CAP], cache[PATH_CAP];
    TRY(annotator_cache_folder(m->o, folder));
    TRY(path_join(cache, folder, "model"));
    TRY(annotator_model_make(m->o, m->w, options_str(m->o, "prompts"), cache, &m->set->model, out));
cleanup:
    return status;
}

/* A kind of annotator: adding one is a row here and its name in the option table above. */
static const struct {
    const char *name;
    wr_status (*make)(maker *m, annotator **out);
} kinds[] = {{"lexicon", make_lexicon}, {"endpoint", make_endpoint}, {"model", make_model}};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* The annotator of that name, made when it is not there yet. */
static wr_status get(maker *m, const char *name, size_t n, annotator **out) {
    const char *names[KINDS + 1] = {NULL};
    char word[64];
    for (size_t i = 0; i < m->set->n_owned; i++) {
        if (strlen(m->set->owned[i]->name) == n && memcmp(m->set->owned[i]->name, name, n) == 0) {
            *out = m->set->owned[i];
            return WR_OK;
        }
    }
    for (size_t k = 0; k < KINDS; k++) {
        names[k] = kinds[k].name;
        if (strlen(names[k]) != n || memcmp(names[k], name, n) != 0) continue;
        wr_status status = kinds[k].make(m, out);
        if (status >= 0) m->set->owned[m->set->n_owned++] = *out;
        return status;
    }
    snprintf(word, sizeof word, "%.*s", n > 60 ? 60 : (int)n, name);
    const char *near = nearest_name(word, names);
    return wr_fail(WR_E_USAGE, "--annotator: there is no annotator '%s'; there are lexicon, endpoint and model%s%s%s",
                   word, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

static wr_status make_list(maker *m, const char *list) {
    wr_status status = WR_OK;
    annotator_set *s = m->set;
    for (const char *at = list;; at++) {
        size_t n = strcspn(at, ",");
        annotator *a = NULL;
        if (n == 0) TRY(wr_fail(WR_E_USAGE, "--annotator: '%s' is no list of names with commas between them", list));
        TRY(get(m, at, n, &a));
        for (size_t i = 0; i < s->n; i++)
            if (s->levels[i] == a) TRY(wr_fail(WR_E_USAGE, "--annotator: %s stands twice in the list", a->name));
        s->levels[s->n++] = a;
        at += n;
        if (!*at) break;
    }
cleanup:
    return status;
}

wr_status annotators_create(const options *o, world *w, annotator_set *out) {
    wr_status status = WR_OK;
    const char *list = options_str(o, "annotator"), *who = options_str(o, "refusals"),
               *similarity = options_str(o, "similarity");
    *out = (annotator_set){0};
    maker m = {.o = o, .w = w, .set = out};
    m.chat = strstr(list, "endpoint") != NULL || strcmp(who, "endpoint") == 0;
    m.embeddings = strcmp(similarity, "endpoint") == 0;
    TRY(make_list(&m, list));
    TRY(get(&m, who, strlen(who), &out->refusals));
    if (strcmp(similarity, "tfidf") != 0) TRY(get(&m, similarity, strlen(similarity), &out->similarity));
cleanup:
    if (status < 0) annotators_free(out);
    return status;
}

void annotators_free(annotator_set *s) {
    for (size_t i = 0; i < s->n_owned; i++) annotator_free(s->owned[i]);
    annotator_model_free(&s->model);
    *s = (annotator_set){0};
}
