/* What the files of engines make of kenro. */
#include "kenro/cmd/doctor.h"

#include "doctor_words.h"

#include "config.h"

#include <string.h>

#define EXAMPLES KENRO_DATADIR "/engines"

/* What makes an engine know kenro: the examples are installed with it. */
static const struct {
        const char *example, *place, *then;
} glue[] = {
        [ENGINE_PODMAN] = { "podman.conf", "/etc/containers/containers.conf.d/kenro.conf", "" },
        [ENGINE_BUILDAH] = { "podman.conf", "/etc/containers/containers.conf.d/kenro.conf", "" },
        [ENGINE_DOCKER] = { "docker.json", "/etc/docker/daemon.json",
                            ", then systemctl reload docker" },
        [ENGINE_CONTAINERD] = { "containerd-2.toml (containerd 1.7: containerd-1.7.toml)",
                                "/etc/containerd/config.toml",
                                ", then systemctl restart containerd" },
        [ENGINE_CRIO] = { "crio.conf", "/etc/crio/crio.conf.d/10-kenro.conf",
                          ", then systemctl restart crio" },
};

/* The names by which kenro can be had, and whether it is what runs unasked. */
static void judge_runtimes_of(const struct engine *g, enum engine_kind kind, struct finding *f)
{
        const struct engine_runtime *chosen = engine_runtime(g, g->chosen);
        struct strings names = { 0 };
        const char *v[16];
        char list[300];

        names.v = v;
        for (size_t i = 0; i < g->runtimes.n && names.n < sizeof(v) / sizeof(v[0]); i++)
                if (g->runtimes.v[i].kenro)
                        v[names.n++] = g->runtimes.v[i].name;
        if (chosen && chosen->kenro)
                finding_say(f, FINDING_OK, "kenro is the default, as %s",
                            finding_join(&names, list, sizeof(list)));
        else if (names.n > 0)
                finding_say(f, FINDING_OK, "kenro can be asked for, as %s; the default is %s",
                            finding_join(&names, list, sizeof(list)), g->chosen);
        else
                finding_say(f, FINDING_WARN, "kenro is not registered; the default is %s",
                            g->chosen);
        if (names.n == 0)
                finding_fix(f, "put " EXAMPLES "/%s into %s%s", glue[kind].example,
                            glue[kind].place, glue[kind].then);
}

/* Of what a file asks for, that nothing can be executed for. */
static void judge_paths_of(const struct engine *g, struct finding *f)
{
        for (size_t i = 0; i < g->runtimes.n; i++) {
                const struct engine_runtime *t = &g->runtimes.v[i];
                bool chosen = strcmp(t->name, g->chosen) == 0;
                bool ours = strcmp(t->name, "kenro") == 0;

                if (t->path || (!chosen && !ours))
                        continue;
                finding_say(f, FINDING_FAIL, "%s is configured in %s, and its program is not there",
                            t->name, t->file ? t->file : "no file");
                finding_fix(f, "correct the path in that file, or install the program there");
        }
}

/* Podman decides by the name of a runtime what it can do. */
static void judge_lists_of(const struct engine *g, struct finding *f)
{
        for (size_t i = 0; i < g->runtimes.n; i++) {
                const struct engine_runtime *t = &g->runtimes.v[i];
                bool json = false, nocgroups = false;

                if (!t->kenro)
                        continue;
                for (size_t k = 0; k < g->json.n; k++)
                        json |= strcmp(g->json.v[k], t->name) == 0;
                for (size_t k = 0; k < g->nocgroups.n; k++)
                        nocgroups |= strcmp(g->nocgroups.v[k], t->name) == 0;
                if (json && nocgroups)
                        continue;
                finding_say(f, FINDING_WARN, "%s is not in %s%s%s", t->name,
                            json ? "" : "runtime_supports_json",
                            json || nocgroups ? "" : " nor in ",
                            nocgroups ? "" : "runtime_supports_nocgroup");
                finding_fix(f, "take these lists over from " EXAMPLES
                               "/podman.conf: without, errors look "
                               "poorer and --cgroups=disabled is refused");
        }
}

static void judge_files_of(const struct doctor *d, const struct engine *g, struct finding *f)
{
        if (g->error) {
                finding_say(f, d->in->uid == 0 ? FINDING_FAIL : FINDING_WARN, "%s", g->error);
                finding_fix(f, "%s", d->in->uid == 0 ? "correct that file" : "look as root");
        }
        judge_paths_of(g, f);
        if (g->mistaken) {
                finding_say(f, FINDING_WARN, "%s", g->mistaken);
                finding_fix(f, "name the plugin as that version does: see " EXAMPLES);
        }
}

void judge_engine(const struct doctor *d, enum engine_kind kind, struct finding *f)
{
        const struct engine *g = &d->survey->engines[kind];

        if (!g->program) {
                finding_say(f, FINDING_INFO, "not installed");
                return;
        }
        finding_say(f, FINDING_OK, "%s", g->program);
        judge_files_of(d, g, f);
        judge_runtimes_of(g, kind, f);
        if (kind == ENGINE_PODMAN)
                judge_lists_of(g, f);
        /* A daemon is root's, and so is what to do about it. */
        if (d->in->uid != 0 && kind >= ENGINE_DOCKER) {
                f->status = FINDING_INFO;
                f->fix[0] = '\0';
        }
}

void judge_runtimes(const struct doctor *d, enum engine_kind kind, struct finding *f)
{
        struct strings others = { 0 }, ours = { 0 };
        const char *other[32], *our[32];
        char list[500];

        (void)kind;
        others.v = other;
        ours.v = our;
        for (size_t i = 0; i < d->survey->runtimes.n && i < 32; i++) {
                const struct engine_runtime *t = &d->survey->runtimes.v[i];
                struct strings *to = t->kenro ? &ours : &others;

                to->v[to->n++] = t->path;
        }
        if (ours.n > 0)
                finding_say(f, FINDING_OK, "kenro itself: %s",
                            finding_join(&ours, list, sizeof(list)));
        if (others.n == 0) {
                finding_say(f, FINDING_OK, "no other OCI runtime is in reach");
                return;
        }
        finding_say(f, FINDING_WARN, "not kenro: %s", finding_join(&others, list, sizeof(list)));
        finding_fix(
                f,
                "what these run has nothing of kenro's: remove them, or put links to kenro in their "
                "place");
}
