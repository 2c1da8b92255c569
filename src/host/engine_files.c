/* What cannot be read is a fact about an engine, and no failure of ours. */
#include "engine_files.h"

#include "kenro/base/fd.h"
#include "kenro/base/toml.h"
#include "kenro/host/look.h"
#include "kenro/json/json_read.h"

#include <errno.h>
#include <string.h>

enum { IMPORTS_MAX = 64 };

/* ---- what readers do ------------------------------------------------------------------ */

/* The runtime NAME as this file configures it. */
static struct engine_runtime *entry(struct engine_reading *r, const char *name, struct err *e)
{
        struct engine *g = r->to;
        struct engine_runtime *t = (struct engine_runtime *)(uintptr_t)engine_runtime(g, name);

        if (!t)
                t = arena_push(r->in->arena, &g->runtimes.v, &g->runtimes.n, sizeof(*t), e);
        if (t) {
                t->name = name;
                t->file = r->file;
        }
        return t;
}

/* The one program of the runtime NAME. */
static int set_path(struct engine_reading *r, const char *name, const char *path, struct err *e)
{
        struct engine_runtime *t = entry(r, name, e);

        if (!t)
                return -1;
        t->paths = (struct strings){ 0 };
        return *path ? look_add(r->in->arena, &t->paths, path, e) : 0;
}

static void choose(struct engine_reading *r, const char *name)
{
        r->to->chosen = *name ? name : NULL;
        r->to->chosen_in = *name ? r->file : NULL;
}

static void trouble(struct engine_reading *r, const struct err *why)
{
        struct err e;
        char line[ERR_TEXT_MAX + ERR_HINT_MAX + 8];

        err_line(why, line, sizeof(line));
        if (!r->to->error)
                r->to->error = arena_strndup(r->in->arena, line, strlen(line), &e);
}

/* The text of PATH, or NULL: what is missing is no trouble. */
static char *text_of(struct engine_reading *r, const char *path, size_t *len, struct err *e)
{
        autoclose int there = look_at(r->in->root, path, NULL);
        struct err why = { 0 };
        char *text;

        if (there == -ENOENT || there == -ENOTDIR)
                return NULL;
        r->file = path;
        if (look_add(r->in->arena, &r->to->files, path, e) < 0)
                return NULL;
        text = look_read(r->in->root, path, r->in->arena, len, &why);
        if (!text)
                trouble(r, &why);
        return text;
}

static int read_toml(struct engine_reading *r, const char *path, toml_told *told, struct err *e)
{
        struct toml_source src = { .name = path, .arena = r->in->arena };
        struct err why = { 0 };

        src.text = text_of(r, path, &src.len, e);
        r->version = 1;
        if (src.text && toml_scan(&src, told, r, &why) < 0)
                trouble(r, &why);
        return 0;
}

static int read_directory(struct engine_reading *r, const char *dir, const char *suffix,
                          toml_told *told, struct err *e)
{
        struct strings names = { 0 };
        struct err why = { 0 };
        int ret = 0;

        if (look_list(r->in->root, dir, suffix, r->in->arena, &names, &why) < 0)
                trouble(r, &why);
        for (size_t i = 0; ret == 0 && i < names.n; i++)
                ret = read_toml(r, names.v[i], told, e);
        return ret;
}

/* ---- containers.conf(5): Podman, Buildah ---------------------------------------------- */

/* Note which list V begins, if it is one of those that matter, and empty it. */
static int begin_list(struct engine_reading *r, const struct toml_value *v, struct err *e)
{
        r->list = NULL;
        if (toml_is_at(v, "engine.runtime_supports_json"))
                r->list = &r->to->json;
        if (toml_is_at(v, "engine.runtime_supports_nocgroup"))
                r->list = &r->to->nocgroups;
        if (toml_is_at(v, "engine.runtimes.*")) {
                struct engine_runtime *t = entry(r, v->path[2], e);

                if (!t)
                        return -1;
                r->list = &t->paths;
        }
        r->old = r->list ? *r->list : (struct strings){ 0 };
        if (r->list)
                *r->list = (struct strings){ 0 };
        return 0;
}

static int told_containers(const struct toml_value *v, void *arg, struct err *e)
{
        struct engine_reading *r = arg;

        if (v->kind == TOML_STRING && toml_is_at(v, "engine.runtime")) {
                choose(r, v->text);
                return 0;
        }
        if (v->depth < 2 || strcmp(v->path[0], "engine") != 0)
                return 0;
        if (v->kind == TOML_LIST && !v->in_list)
                return begin_list(r, v, e);
        if (!r->list || !v->in_list)
                return 0;
        if (v->kind == TOML_STRING)
                return look_add(r->in->arena, r->list, v->text, e);
        /* {append=true} among the items: what there was stays. */
        if (strcmp(v->path[v->depth - 1], "append") == 0 && strcmp(v->text, "true") == 0)
                for (size_t i = 0; i < r->old.n; i++)
                        if (look_add(r->in->arena, r->list, r->old.v[i], e) < 0)
                                return -1;
        return 0;
}

int engine_read_containers(struct engine_reading *r, struct err *e)
{
        static const char *const json[] = { "crun",  "crun-vm", "runc", "kata",
                                            "runsc", "youki",   "krun" };
        static const char *const nocgroups[] = { "crun", "crun-vm", "krun" };
        const char *bases[] = { "/usr/share", "/etc", NULL };
        int ret = 0;

        for (size_t i = 0; ret == 0 && i < sizeof(json) / sizeof(json[0]); i++)
                ret = look_add(r->in->arena, &r->to->json, json[i], e);
        for (size_t i = 0; ret == 0 && i < sizeof(nocgroups) / sizeof(nocgroups[0]); i++)
                ret = look_add(r->in->arena, &r->to->nocgroups, nocgroups[i], e);
        if (r->in->home)
                bases[2] = arena_printf(r->in->arena, e, "%s/.config", r->in->home);
        for (size_t i = 0; ret == 0 && i < 3 && bases[i]; i++) {
                const char *file = arena_printf(r->in->arena, e, "%s/containers/containers.conf",
                                                bases[i]);
                const char *dir = arena_printf(r->in->arena, e, "%s/containers/containers.conf.d",
                                               bases[i]);

                if (!file || !dir)
                        return -1;
                ret = read_toml(r, file, told_containers, e);
                if (ret == 0)
                        ret = read_directory(r, dir, ".conf", told_containers, e);
        }
        return ret;
}

/* ---- daemon.json: Docker -------------------------------------------------------------- */

struct docker_options {
        const char *binary;
};

struct docker_runtime {
        const char *name, *path, *type;
        struct docker_options *options;
};

struct docker_settings {
        const char *chosen;
        SPEC_LIST(struct docker_runtime) runtimes;
};

#define AT(type, member) offsetof(struct type, member)

/* clang-format off */
static const struct json_field option_fields[] = {
        { "BinaryName", J_STR, .offset = AT(docker_options, binary) },
        { NULL, J_END },
};
static const struct json_shape options_shape = { sizeof(struct docker_options), option_fields };

static const struct json_field runtime_fields[] = {
        { "path", J_STR, .offset = AT(docker_runtime, path) },
        { "runtimeType", J_STR, .offset = AT(docker_runtime, type) },
        { "options", J_OBJ, .offset = AT(docker_runtime, options), .shape = &options_shape },
        { NULL, J_END },
};
static const struct json_shape runtime_shape = { sizeof(struct docker_runtime), runtime_fields };

static const struct json_field docker_fields[] = {
        { "default-runtime", J_STR, .offset = AT(docker_settings, chosen) },
        { "runtimes", J_MAP, J_OBJ, .offset = AT(docker_settings, runtimes),
          .shape = &runtime_shape },
        { NULL, J_END },
};
static const struct json_shape docker_shape = { sizeof(struct docker_settings), docker_fields };
/* clang-format on */

/* With a type the runtime is a shim, which may have a program of its own. */
static const char *program_of(const struct docker_runtime *t)
{
        if (t->path)
                return t->path;
        if (t->options && t->options->binary)
                return t->options->binary;
        return t->type && strcmp(t->type, "io.containerd.runc.v2") != 0 ? t->type : "";
}

int engine_read_docker(struct engine_reading *r, struct err *e)
{
        struct json_source src = { .name = "/etc/docker/daemon.json", .arena = r->in->arena };
        struct docker_settings settings = { 0 };
        struct err why = { 0 };

        src.text = text_of(r, src.name, &src.len, e);
        if (!src.text || strspn(src.text, " \t\r\n") == src.len)
                return 0;
        if (json_decode(&src, &docker_shape, &settings, &why) < 0) {
                trouble(r, &why);
                return 0;
        }
        for (size_t i = 0; i < settings.runtimes.n; i++) {
                const struct docker_runtime *t = &settings.runtimes.v[i];

                if (set_path(r, t->name, program_of(t), e) < 0)
                        return -1;
        }
        if (settings.chosen)
                choose(r, settings.chosen);
        return 0;
}

/* ---- config.toml: containerd, which has runtimes for Kubernetes only ------------------- */

static const struct {
        int version;
        const char *plugin;
} plugins[] = {
        { 1, "cri" },
        { 2, "io.containerd.grpc.v1.cri" },
        { 3, "io.containerd.cri.v1.runtime" },
};

/* Whether the plugin's table PATH[1] is the one that this file's version has. */
static bool is_looked_at(struct engine_reading *r, const char *plugin)
{
        struct err e;

        for (size_t i = 0; i < sizeof(plugins) / sizeof(plugins[0]); i++) {
                if (strcmp(plugins[i].plugin, plugin) != 0)
                        continue;
                if (plugins[i].version == r->version)
                        return true;
                if (!r->to->mistaken)
                        r->to->mistaken =
                                arena_printf(r->in->arena, &e,
                                             "%s says version %d and has a table of version %d",
                                             r->file, r->version, plugins[i].version);
        }
        return false;
}

/* In the plugin's table: what is there of runtimes. */
static int told_plugin(const struct toml_value *v, struct engine_reading *r, struct err *e)
{
        if (v->kind == TOML_STRING && strcmp(v->path[3], "default_runtime_name") == 0)
                choose(r, v->text);
        if (v->depth < 6 || strcmp(v->path[3], "runtimes") != 0)
                return 0;
        if (v->depth == 7 && strcmp(v->path[6], "BinaryName") == 0)
                return set_path(r, v->path[4], v->text, e);
        return entry(r, v->path[4], e) ? 0 : -1;
}

static int told_containerd(const struct toml_value *v, void *arg, struct err *e)
{
        struct engine_reading *r = arg;

        if (v->kind == TOML_WORD && toml_is_at(v, "version"))
                r->version = v->text[0] - '0';
        if (v->kind == TOML_STRING && toml_is_at(v, "imports"))
                return look_add(r->in->arena, &r->imports, v->text, e);
        if (v->depth < 4 || strcmp(v->path[0], "plugins") != 0 ||
            strcmp(v->path[2], "containerd") != 0 || !is_looked_at(r, v->path[1]))
                return 0;
        return told_plugin(v, r, e);
}

/* "imports" of the main file: paths, of which the last part may be "*.toml". */
static int read_imports(struct engine_reading *r, const char *base, struct err *e)
{
        struct strings imports = r->imports;
        int ret = 0;

        for (size_t i = 0; ret == 0 && i < imports.n && i < IMPORTS_MAX; i++) {
                const char *path = imports.v[i], *star;

                if (path[0] != '/')
                        path = arena_printf(r->in->arena, e, "%s/%s", base, path);
                if (!path)
                        return -1;
                star = strstr(path, "/*");
                if (!star) {
                        ret = read_toml(r, path, told_containerd, e);
                        continue;
                }
                path = arena_strndup(r->in->arena, path, (size_t)(star - path), e);
                ret = path ? read_directory(r, path, star + 2, told_containerd, e) : -1;
        }
        return ret;
}

int engine_read_containerd(struct engine_reading *r, struct err *e)
{
        int ret = read_toml(r, "/etc/containerd/config.toml", told_containerd, e);

        return ret == 0 ? read_imports(r, "/etc/containerd", e) : ret;
}

/* ---- crio.conf(5) ---------------------------------------------------------------------- */

static int told_crio(const struct toml_value *v, void *arg, struct err *e)
{
        struct engine_reading *r = arg;

        if (v->kind == TOML_STRING && toml_is_at(v, "crio.runtime.default_runtime"))
                choose(r, v->text);
        if (v->kind == TOML_STRING && toml_is_at(v, "crio.runtime.runtimes.*.runtime_path"))
                return set_path(r, v->path[3], v->text, e);
        if (toml_is_at(v, "crio.runtime.runtimes.*.*") && !v->in_list)
                return entry(r, v->path[3], e) ? 0 : -1;
        return 0;
}

int engine_read_crio(struct engine_reading *r, struct err *e)
{
        int ret = read_toml(r, "/etc/crio/crio.conf", told_crio, e);

        return ret == 0 ? read_directory(r, "/etc/crio/crio.conf.d", "", told_crio, e) : ret;
}
