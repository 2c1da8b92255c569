#include "kenro/part/idmap.h"

#include "kenro/base/file.h"
#include "kenro/base/sys.h"
#include "kenro/spec/spec_load.h"

#include <stdio.h>

static const char *map_text(const struct id_mappings *m, struct arena *a, struct err *e)
{
        const char *text = "";

        for (size_t i = 0; text && i < m->n; i++)
                text = arena_printf(a, e, "%s%u %u %u\n", text, m->v[i].container, m->v[i].host,
                                    m->v[i].size);
        return text;
}

int idmap_plan(const struct spec *s, struct arena *a, struct idmap_plan *ret, struct err *e)
{
        const struct spec_linux *l = s->linux_;
        struct idmap_plan r = { .wanted = spec_namespace_new(s, CLONE_NEWUSER) };

        if (spec_namespace(s, CLONE_NEWUSER))
                r.become_root = spec_map_id(&l->uid_mappings, 0) <= SPEC_ID_MAX &&
                                spec_map_id(&l->gid_mappings, 0) <= SPEC_ID_MAX;
        if (r.wanted) {
                r.uid_text = map_text(&l->uid_mappings, a, e);
                r.gid_text = r.uid_text ? map_text(&l->gid_mappings, a, e) : NULL;
                if (!r.gid_text)
                        return -1;
        }
        *ret = r;
        return 0;
}

int idmap_parent(const struct idmap_plan *p, int proc_fd, pid_t pid, struct err *e)
{
        char name[40];
        int r;

        /* The kernel wants the whole map in one write. */
        snprintf(name, sizeof(name), "%d/uid_map", pid);
        r = file_poke(proc_fd, name, p->uid_text);
        if (r < 0)
                return err_sys(e, -r, "linux.uidMappings: cannot set them");
        snprintf(name, sizeof(name), "%d/gid_map", pid);
        r = file_poke(proc_fd, name, p->gid_text);
        if (r < 0)
                return err_sys(e, -r, "linux.gidMappings: cannot set them");
        return 0;
}

int idmap_child(const struct idmap_plan *p, struct err *e)
{
        int r;

        if (!p->become_root)
                return 0;
        r = sys_setresgid(0);
        if (r < 0)
                return err_sys(e, -r, "cannot become group 0 of the user namespace");
        r = sys_setresuid(0);
        if (r < 0)
                return err_sys(e, -r, "cannot become user 0 of the user namespace");
        r = sys_setgroups(0, NULL);
        if (r < 0)
                return err_sys(e, -r, "cannot drop the caller's groups");
        return 0;
}
