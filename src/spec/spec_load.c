#include "kenro/spec/spec_load.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/spec/spec_fields.h"

#include "spec_check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_text(int dir, const char *name, struct arena *a, struct json_source *ret,
                     struct err *e)
{
        /* O_NONBLOCK: a FIFO in the place of a bundle's file must not hang the runtime;
         * what a caller names itself may be a pipe. */
        autoclose int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;

        if (fd < 0 && errno == ENOENT)
                return err_set(e, "JSON specification file %s not found", name);
        if (fd < 0)
                return err_sys(e, errno, "cannot open %s", name);
        if (dir != AT_FDCWD && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
                return err_set(e, "%s is not a regular file", name);
        ret->text = file_read_fd(fd, a, JSON_BYTES_MAX, &ret->len, e);
        if (!ret->text)
                return err_in(e, "%s", name);
        ret->name = name;
        ret->arena = a;
        ret->warn = false;
        return 0;
}

int spec_parse(const struct json_source *src, struct spec *ret, struct err *e)
{
        *ret = (struct spec){ 0 };
        return json_decode(src, &spec_shape, ret, e) < 0 ? -1 : spec_check(src, ret, e);
}

int spec_load(int dir, const char *name, bool warn, struct arena *a, struct spec_file *ret,
              struct err *e)
{
        if (read_text(dir, name, a, &ret->src, e) < 0)
                return -1;
        ret->src.warn = warn;
        return spec_parse(&ret->src, &ret->spec, e);
}

int spec_load_process(const char *path, struct arena *a, struct spec_process *ret, struct err *e)
{
        struct json_source src;

        if (read_text(AT_FDCWD, path, a, &src, e) < 0)
                return -1;
        src.warn = true;
        *ret = (struct spec_process){ 0 };
        if (json_decode(&src, &spec_process_shape, ret, e) < 0)
                return -1;
        return spec_check_process(&src, "", ret, e);
}

bool spec_is_variable(const char *text)
{
        return text[0] != '=' && strchr(text, '=');
}

int spec_strings_add(struct strings *set, const char *text, struct arena *a, struct err *e)
{
        const char **v = ARENA_NEW(a, const char *, set->n + 1, e);

        if (!v)
                return -1;
        if (set->n)
                memcpy(v, set->v, set->n * sizeof(*v));
        v[set->n] = text;
        *set = (struct strings){ v, set->n + 1 };
        return 0;
}

const struct spec_namespace *spec_namespace(const struct spec *s, uint64_t type)
{
        if (!s->linux_)
                return NULL;
        for (size_t i = 0; i < s->linux_->namespaces.n; i++)
                if (s->linux_->namespaces.v[i].type.v == type)
                        return &s->linux_->namespaces.v[i];
        return NULL;
}

bool spec_namespace_new(const struct spec *s, uint64_t type)
{
        const struct spec_namespace *ns = spec_namespace(s, type);

        return ns && !ns->path;
}

uint32_t spec_map_id(const struct id_mappings *m, uint32_t id)
{
        if (m->n == 0)
                return id;
        for (size_t i = 0; i < m->n; i++)
                if (id >= m->v[i].container && id - m->v[i].container < m->v[i].size)
                        return m->v[i].host + (id - m->v[i].container);
        return SPEC_ID_MAX + 1;
}
