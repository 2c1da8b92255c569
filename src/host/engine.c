#include "kenro/host/engine.h"

#include "kenro/base/fd.h"
#include "kenro/host/look.h"

#include "engine_files.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const engine_directories[] = {
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
        "/run/current-system/sw/bin",
        NULL,
};

/* What an engine has without any file. */
static const struct {
        const char *name, *program;
        const char *own[3]; /* the runtimes that it knows, the one it prefers first */
        int (*read)(struct engine_reading *r, struct err *e);
} engines[] = {
        [ENGINE_PODMAN] = { "podman", "podman", { "crun", "runc" }, engine_read_containers },
        [ENGINE_BUILDAH] = { "buildah", "buildah", { "crun", "runc" }, engine_read_containers },
        [ENGINE_DOCKER] = { "docker", "dockerd", { "runc" }, engine_read_docker },
        [ENGINE_CONTAINERD] = { "containerd", "containerd", { "runc" }, engine_read_containerd },
        [ENGINE_CRIO] = { "crio", "crio", { "crun", "runc" }, engine_read_crio },
};

bool engine_program(const struct engine_look *in, const char *path, bool *kenro)
{
        struct stat st;
        autoclose int fd = look_at(in->root, path, &st);
        char name[PATH_MAX];

        if (fd < 0 || !S_ISREG(st.st_mode) || !look_may(in->root, path, X_OK))
                return false;
        if (!kenro)
                return true;
        *kenro = st.st_dev == in->self_dev && st.st_ino == in->self_ino;
        if (!*kenro && look_name(fd, name) == 0)
                *kenro = strcmp(strrchr(name, '/') ? strrchr(name, '/') + 1 : name, "kenro") == 0;
        return true;
}

/* NAME in the usual directories; NULL, with or without E's text. */
static const char *find_program(const struct engine_look *in, const char *name, struct err *e)
{
        for (const char *const *dir = engine_directories; *dir; dir++) {
                char path[PATH_MAX];

                if ((size_t)snprintf(path, sizeof(path), "%s/%s", *dir, name) < sizeof(path) &&
                    engine_program(in, path, NULL))
                        return arena_strndup(in->arena, path, strlen(path), e);
        }
        return NULL;
}

const struct engine_runtime *engine_runtime(const struct engine *g, const char *name)
{
        for (size_t i = 0; i < g->runtimes.n; i++)
                if (strcmp(g->runtimes.v[i].name, name) == 0)
                        return &g->runtimes.v[i];
        return NULL;
}

static void resolve(const struct engine_look *in, struct engine_runtime *t, struct err *e)
{
        for (size_t i = 0; !t->path && i < t->paths.n; i++) {
                if (!strchr(t->paths.v[i], '/'))
                        t->path = find_program(in, t->paths.v[i], e);
                else if (engine_program(in, t->paths.v[i], NULL))
                        t->path = t->paths.v[i];
        }
        if (t->paths.n == 0)
                t->path = find_program(in, t->name, e);
        if (t->path)
                (void)engine_program(in, t->path, &t->kenro);
}

/* What the engine knows by itself, as far as it is there. */
static int add_own(const struct engine_look *in, const char *const own[], struct engine *g,
                   struct err *e)
{
        for (; *own; own++) {
                struct engine_runtime *t;

                if (engine_runtime(g, *own) || !find_program(in, *own, e))
                        continue;
                t = arena_push(in->arena, &g->runtimes.v, &g->runtimes.n, sizeof(*t), e);
                if (!t)
                        return -1;
                t->name = *own;
        }
        return 0;
}

/* A name that is configured nowhere, or a path instead of a name. */
static int add_chosen(const struct engine_look *in, struct engine *g, struct err *e)
{
        struct engine_runtime *t;

        if (engine_runtime(g, g->chosen))
                return 0;
        t = arena_push(in->arena, &g->runtimes.v, &g->runtimes.n, sizeof(*t), e);
        if (!t)
                return -1;
        t->name = g->chosen;
        t->file = g->chosen_in;
        /* Only a path can be executed without having been configured. */
        return look_add(in->arena, &t->paths, *t->name == '/' ? t->name : "/", e);
}

int engine_look(const struct engine_look *in, enum engine_kind kind, struct engine *ret,
                struct err *e)
{
        const char *const *own = engines[kind].own;
        struct engine_reading r = { .in = in, .to = ret };

        *ret = (struct engine){ .name = engines[kind].name };
        ret->program = find_program(in, engines[kind].program, e);
        if (engines[kind].read(&r, e) < 0 || add_own(in, own, ret, e) < 0)
                return -1;
        for (; !ret->chosen && *own; own++)
                if (engine_runtime(ret, *own))
                        ret->chosen = *own;
        if (!ret->chosen)
                ret->chosen = engines[kind].own[0];
        if (ret->chosen_in && add_chosen(in, ret, e) < 0)
                return -1;
        for (size_t i = 0; i < ret->runtimes.n; i++)
                resolve(in, &ret->runtimes.v[i], e);
        return 0;
}
