#include "cli/annotator_options.h"

#include "base/file.h"
#include "data/label/annotate/endpoint.h"
#include "data/label/annotate/lexicon_annotator.h"

#include <stdio.h>
#include <string.h>

/* Whose answers depend on what: annotators have fingerprints, which are compared (RESUME_CONTENT). */
const option_spec annotator_rows[] = {
    OPTION_TEXT(annotator_options, levels, "annotator", "lexicon", "LIST",
                "who grades follow-ups: lexicon (word lists), endpoint (a model behind HTTP), model (a local "
                "checkpoint); several, with commas: their consensus",
                .resume = RESUME_CONTENT),
    OPTION_CHOICE(annotator_options, refusals, "refusals", "lexicon", "lexicon|endpoint|model",
                  "who says whether a reply refused, and rightly", .resume = RESUME_CONTENT),
    OPTION_CHOICE(annotator_options, similarity, "similarity", "tfidf", "tfidf|endpoint|model",
                  "topic similarity of turns, for mining: words, embeddings of the endpoint, or states of the model",
                  .resume = RESUME_CONTENT),
    OPTION_TEXT(annotator_options, lexicon_rules, "lexicon-rules", NULL, "FILE",
                "rules of the lexicon, instead of the built-in data/rules/lexicon.txt", .input = INPUT_WHOLE,
                .resume = RESUME_CONTENT),
    OPTION_TEXT(annotator_options, refusal_rules, "refusal-rules", NULL, "FILE",
                "phrases of refusals and of harm, instead of data/rules/refusals.txt", .input = INPUT_WHOLE,
                .resume = RESUME_CONTENT),
    OPTION_TEXT(annotator_options, endpoint.url, "endpoint", NULL, "URL",
                "OpenAI-compatible service, e.g. http://127.0.0.1:8000/v1", .resume = RESUME_FREE),
    OPTION_TEXT(annotator_options, endpoint.model, "endpoint-model", NULL, "NAME", "chat model of the endpoint",
                .resume = RESUME_CONTENT),
    OPTION_TEXT(annotator_options, endpoint.embedding_model, "endpoint-embedding-model", NULL, "NAME",
                "embedding model of the endpoint, for --similarity endpoint (default: --endpoint-model)",
                .resume = RESUME_CONTENT),
    OPTION_INT(annotator_options, endpoint.in_flight, "endpoint-parallel", "64", "N", 1, 4096,
               "requests in flight, of each rank", .may_differ = true, .resume = RESUME_FREE),
    OPTION_FLOAT(annotator_options, endpoint.timeout_s, "endpoint-timeout", "120", "S", 0.01, 86400,
                 "seconds that one try may take", .may_differ = true, .resume = RESUME_FREE),
    OPTION_INT(annotator_options, endpoint.retries, "endpoint-retries", "6", "N", 0, 100,
               "further tries after a failure that may pass", .may_differ = true, .resume = RESUME_FREE),
    OPTION_FLOAT(annotator_options, endpoint.backoff_s, "endpoint-backoff", "0.5", "S", 0.001, 60,
                 "seconds before the first retry; doubles up to a minute, with jitter", .may_differ = true,
                 .resume = RESUME_FREE),
    OPTION_FLOAT(annotator_options, endpoint.temperature, "endpoint-temperature", "0", "X", 0, 10,
                 "0: the likeliest answer", .resume = RESUME_CONTENT),
    OPTION_INT(annotator_options, endpoint.max_tokens, "endpoint-max-tokens", "256", "N", 0, 1e6,
               "limit of an answer; more for models that think first; 0: the server's own", .resume = RESUME_CONTENT),
    OPTION_TEXT(annotator_options, endpoint.extra, "endpoint-extra", NULL, "JSON",
                "further members of a request, e.g. '{\"chat_template_kwargs\":{\"enable_thinking\":false}}'",
                .resume = RESUME_CONTENT),
    OPTION_INT(annotator_options, endpoint.history, "endpoint-history", "4", "N", 0, 2000,
               "earlier messages that a prompt shows", .resume = RESUME_CONTENT),
    OPTION_INT(annotator_options, endpoint.characters, "endpoint-clip", "4000", "N", 0, 1e9,
               "characters of a message that a prompt shows, beginning and end; 0: all", .resume = RESUME_CONTENT),
    OPTION_TEXT(annotator_options, endpoint.key_env, "endpoint-key-env", "WILDREWARD_API_KEY", "NAME",
                "environment variable that holds the API key; no key is sent when the default one is not set",
                .resume = RESUME_FREE),
    OPTION_TEXT(annotator_options, endpoint.ca_file, "endpoint-ca", NULL, "FILE",
                "certificates (PEM) to trust instead of the system's", .input = INPUT_WHOLE, .resume = RESUME_FREE),
    OPTION_FLOAT(annotator_options, endpoint.price_in, "endpoint-price-in", "0", "X", 0, 1e9,
                 "price of a million prompt tokens, to count the cost", .resume = RESUME_FREE),
    OPTION_FLOAT(annotator_options, endpoint.price_out, "endpoint-price-out", "0", "X", 0, 1e9,
                 "price of a million answer tokens", .resume = RESUME_FREE),
    OPTION_TEXT(annotator_options, answer_cache, "answer-cache", NULL, "DIR",
                "where answers of the endpoint and the model are kept (default: the --out folder's name with .answers)",
                .resume = RESUME_FREE),
    OPTION_TEXT(annotator_options, prompts_dir, "prompts", NULL, "DIR",
                "folder with an own annotate.txt or refusal.txt for the endpoint", .input = INPUT_WHOLE,
                .resume = RESUME_CONTENT),
    {0},
};

void annotator_options_resolve(const options *o, annotator_options *a) {
    a->beside = options_str(o, "out");
    a->endpoint.key_needed = options_given(o, "endpoint-key-env");
}

/* Everything that makes annotators, by name. */
typedef struct maker {
    const annotator_options *o;
    world *w;
    annotator_set *set;
    bool chat, embeddings; /* what the endpoint is wanted for */
} maker;

static wr_status make_lexicon(maker *m, annotator **out) {
    return annotator_lexicon_create(m->o->lexicon_rules, m->o->refusal_rules, out);
}

wr_status annotator_cache_folder(const annotator_options *o, char out[PATH_CAP]) {
    const char *given = o->answer_cache, *folder = o->beside;
    size_t n = folder ? strlen(folder) : 0;
    while (n > 1 && folder[n - 1] == '/') n--;
    if (!given && n == 0)
        return wr_fail(WR_E_USAGE, "--answer-cache DIR is needed: answers of the endpoint or the model are kept there");
    int length = given ? snprintf(out, PATH_CAP, "%s", given) : snprintf(out, PATH_CAP, "%.*s.answers", (int)n, folder);
    return length < 0 || length >= PATH_CAP ? wr_fail(WR_E_USAGE, "--answer-cache: the name is too long") : WR_OK;
}

static wr_status make_endpoint(maker *m, annotator **out) {
    wr_status status = WR_OK;
    endpoint_options e = m->o->endpoint;
    char cache[PATH_CAP];
    if (!e.url) return wr_fail(WR_E_USAGE, "--endpoint URL is needed, e.g. http://127.0.0.1:8000/v1");
    if (m->chat && !e.model) return wr_fail(WR_E_USAGE, "--endpoint-model NAME is needed: the chat model of %s", e.url);
    if (!e.embedding_model) e.embedding_model = e.model;
    if (m->embeddings && !e.embedding_model)
        return wr_fail(WR_E_USAGE, "--endpoint-embedding-model NAME is needed for --similarity endpoint");
    TRY(annotator_cache_folder(m->o, cache));
    if (!m->chat) e.model = NULL;
    if (!m->embeddings) e.embedding_model = NULL;
    e.cache_dir = cache;
    e.rank = m->w ? world_rank(m->w) : 0;
    e.prompts_dir = m->o->prompts_dir;
    TRY(annotator_endpoint_create(&e, out));
cleanup:
    return status;
}

static wr_status make_model(maker *m, annotator **out) {
    wr_status status = WR_OK;
    char folder[PATH_CAP], cache[PATH_CAP];
    TRY(annotator_cache_folder(m->o, folder));
    TRY(path_join(cache, folder, "model"));
    TRY(annotator_model_make(&m->o->model, m->w, m->o->prompts_dir, cache, &m->set->model, out));
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
        return world_agree(m->w, status); /* the next kind may be made by all ranks together */
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

/* Whether a list with commas holds the name. */
static bool listed(const char *list, const char *name) {
    const size_t n = strlen(name);
    for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (strcspn(at, ",") == n && memcmp(at, name, n) == 0) return true;
    return false;
}

wr_status annotators_create(const annotator_options *o, world *w, annotator_set *out) {
    wr_status status = WR_OK;
    *out = (annotator_set){0};
    maker m = {.o = o, .w = w, .set = out};
    m.chat = listed(o->levels, "endpoint") || strcmp(o->refusals, "endpoint") == 0;
    m.embeddings = strcmp(o->similarity, "endpoint") == 0;
    TRY(make_list(&m, o->levels));
    TRY(get(&m, o->refusals, strlen(o->refusals), &out->refusals));
    if (strcmp(o->similarity, "tfidf") != 0) TRY(get(&m, o->similarity, strlen(o->similarity), &out->similarity));
cleanup:
    if (status < 0) annotators_free(out);
    return status;
}

void annotators_free(annotator_set *s) {
    for (size_t i = 0; i < s->n_owned; i++) annotator_free(s->owned[i]);
    annotator_model_free(&s->model);
    *s = (annotator_set){0};
}
