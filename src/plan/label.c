#include "kenro/plan/label.h"

#include <string.h>

/* How file systems get their label. The others take it as an option. */
static const struct {
        const char *type;
        enum { NEVER, AS_ATTRIBUTE } how;
} types[] = {
        { "binfmt_misc", NEVER }, { "cgroup2", NEVER },       { "proc", NEVER },
        { "sysfs", NEVER },       { "mqueue", AS_ATTRIBUTE },
};

static const char *const contexts[] = { "context", "fscontext", "defcontext", "rootcontext" };

#define ANNOTATION "run.oci.mount_context_type"

const char *label_of_mounts(const struct spec *s)
{
        const char *label = s->linux_->mount_label;

        return label && *label ? label : NULL;
}

static bool is_context(const char *key)
{
        for (size_t i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++)
                if (strcmp(key, contexts[i]) == 0)
                        return true;
        return false;
}

static int find_key(const struct spec *s, const char **ret, struct err *e)
{
        *ret = contexts[0];
        for (size_t i = 0; i < s->annotations.n; i++) {
                const struct json_pair *p = &s->annotations.v[i];

                if (strcmp(p->key, ANNOTATION) != 0)
                        continue;
                if (!is_context(p->value))
                        return err_set(e,
                                       "annotations: " ANNOTATION ": '%.40s' is not one of: "
                                       "context, fscontext, defcontext, rootcontext",
                                       p->value);
                *ret = p->value;
        }
        return 0;
}

static int label_one(struct mount_entry *m, const struct mount_param *label, struct arena *a,
                     struct err *e)
{
        struct mount_param *v;

        if (m->kind != MOUNT_FS && m->kind != MOUNT_DEV)
                return 0;
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
                if (strcmp(m->type, types[i].type) != 0)
                        continue;
                if (types[i].how == AS_ATTRIBUTE)
                        m->label = label->value;
                return 0;
        }
        for (size_t i = 0; i < m->o.n_param; i++)
                if (is_context(m->o.param[i].key))
                        return 0; /* the entry says it better */
        v = ARENA_NEW(a, struct mount_param, m->o.n_param + 1, e);
        if (!v)
                return -1;
        if (m->o.n_param)
                memcpy(v, m->o.param, m->o.n_param * sizeof(*v));
        v[m->o.n_param++] = *label;
        m->o.param = v;
        return 0;
}

int label_mounts(const struct spec *s, const struct host *h, struct mount_plan *mounts,
                 struct arena *a, struct err *e)
{
        struct mount_param label = { NULL, label_of_mounts(s) };

        if (find_key(s, &label.key, e) < 0)
                return -1;
        if (!label.value)
                return 0;
        if (!h->selinux)
                return err_set(e, "linux.mountLabel: SELinux is not enabled on this host");
        for (size_t i = 0; i < mounts->n; i++)
                if (label_one(&mounts->v[i], &label, a, e) < 0)
                        return -1;
        return 0;
}
