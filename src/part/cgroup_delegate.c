#include "kenro/part/cgroup_delegate.h"

#include "kenro/base/fd.h"
#include "kenro/spec/spec_load.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIST_BYTES_MAX = 4096 };

static bool has_user_namespace(const struct spec_linux *l)
{
        for (size_t i = 0; i < l->namespaces.n; i++)
                if (l->namespaces.v[i].type.v == CLONE_NEWUSER)
                        return true;
        return false;
}

static bool is_writable_cgroup(const struct spec_mount *m)
{
        if (!m->source || strcmp(m->source, "cgroup") != 0 ||
            strcmp(m->destination, "/sys/fs/cgroup") != 0)
                return false;
        for (size_t i = 0; i < m->options.n; i++)
                if (strcmp(m->options.v[i], "ro") == 0)
                        return false;
        return true;
}

void cgroup_delegate_plan(const struct spec *s, struct cgroup_delegate_plan *ret)
{
        const struct spec_linux *l = s->linux_;
        struct cgroup_delegate_plan r = { 0 };

        *ret = r;
        /* The mappings of a user namespace that is joined need not be known. */
        if (!s->process || !s->process->user || !spec_namespace_new(s, CLONE_NEWCGROUP) ||
            (has_user_namespace(l) && l->uid_mappings.n == 0))
                return;
        r.uid = spec_map_id(&l->uid_mappings, s->process->user->uid);
        for (size_t i = 0; i < s->mounts.n && r.uid != 0; i++)
                r.wanted |= is_writable_cgroup(&s->mounts.v[i]);
        *ret = r;
}

/* The names of files, one a line. */
static void read_list(char *buf)
{
        autoclose int fd = open("/sys/kernel/cgroup/delegate", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, buf, LIST_BYTES_MAX - 1);

        buf[n < 0 ? 0 : n] = '\0';
        if (n <= 0) /* the specification's list, for a kernel that has none */
                snprintf(buf, LIST_BYTES_MAX,
                         "cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n");
}

int cgroup_delegate_parent(const struct cgroup_delegate_plan *p, int cgroup_fd, struct err *e)
{
        char list[LIST_BYTES_MAX], *at = list, *name;

        if (fchownat(cgroup_fd, "", p->uid, (gid_t)-1, AT_EMPTY_PATH) < 0)
                /* Who may not give it away keeps it: the container can do less. */
                return errno == EPERM
                               ? 0
                               : err_sys(e, errno, "cannot give the cgroup to uid %u", p->uid);
        read_list(list);
        while ((name = strsep(&at, "\n")) != NULL) {
                if (*name && !strchr(name, '/') &&
                    fchownat(cgroup_fd, name, p->uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) < 0 &&
                    errno != ENOENT) /* that of a controller which is not there */
                        return err_sys(e, errno, "cannot give the cgroup's %s to uid %u", name,
                                       p->uid);
        }
        return 0;
}
