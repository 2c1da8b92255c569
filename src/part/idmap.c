#include "kenro/part/idmap.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/sys.h"
#include "kenro/part/idmap_helper.h"
#include "kenro/spec/spec_load.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { MAP_TEXT_MAX = 4096 };     /* what the kernel takes in one write is less */
enum { MAP_BYTES_MAX = 1 << 16 }; /* 340 lines of three numbers are 11 KiB */

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
                r.uids = l->uid_mappings;
                r.gids = l->gid_mappings;
        }
        *ret = r;
        return 0;
}

static bool is_only(const struct id_mappings *m, uint32_t id)
{
        return m->n == 1 && m->v[0].host == id && m->v[0].size == 1;
}

void idmap_plan_writer(const struct host *h, struct idmap_plan *p)
{
        p->no_groups = h->no_setgroups;
        if (!p->wanted || !h->no_mappings)
                return;
        p->uid_helper = !is_only(&p->uids, h->uid);
        p->gid_helper = !is_only(&p->gids, h->gid);
        p->deny_groups = !p->gid_helper;
        p->no_groups |= p->deny_groups;
}

static int parse_map(const char *text, struct arena *a, struct id_mappings *ret, struct err *e)
{
        struct id_mapping m;
        int n;

        *ret = (struct id_mappings){ 0 };
        while (sscanf(text, "%u %u %u%n", &m.container, &m.host, &m.size, &n) == 3) {
                struct id_mapping *next = arena_push(a, &ret->v, &ret->n, sizeof(m), e);

                if (!next)
                        return -1;
                *next = m;
                text += n;
        }
        return 0;
}

static int read_map(int proc_fd, pid_t pid, const char *name, struct arena *a,
                    struct id_mappings *ret, struct err *e)
{
        char path[40];
        autoclose int fd = -1;
        const char *text;
        size_t len;

        snprintf(path, sizeof(path), "%d/%s", pid, name);
        fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return err_sys(e, errno, "cannot open %s", name);
        text = file_read_fd(fd, a, MAP_BYTES_MAX, &len, e);
        return text ? parse_map(text, a, ret, e) : err_in(e, "%s", name);
}

/* Be in the user namespace FD, or a new one for -1, until SOCK's other end closes. */
_Noreturn static void stay(int fd, int sock)
{
        char c = 0;

        /* Who is in there already may not trace this process. */
        if (fd < 0 ? unshare(CLONE_NEWUSER) < 0
                   : prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setns(fd, CLONE_NEWUSER) < 0)
                c = (char)errno;
        if (write(sock, &c, 1) == 1)
                (void)!read(sock, &c, 1);
        _exit(0);
}

/* The maps can be read of a process only, so one has to be there. */
int idmap_read(int fd, int proc_fd, struct arena *a, struct id_mappings *uids,
               struct id_mappings *gids, struct err *e)
{
        int sock, r = -1;
        pid_t pid = fd_fork(&sock, e);
        char c, number[16];

        if (pid < 0)
                return -1;
        if (pid == 0)
                stay(fd, sock);
        snprintf(number, sizeof(number), "%d", pid);
        if (read(sock, &c, 1) != 1)
                err_set(e, "cannot look into the user namespace");
        else if (c != 0)
                err_sys(e, c, "cannot join the user namespace");
        else if (read_map(proc_fd, pid, "uid_map", a, uids, e) == 0 &&
                 read_map(proc_fd, pid, "gid_map", a, gids, e) == 0)
                r = host_denies_groups(proc_fd, number);
        fd_close(&sock);
        (void)waitpid(pid, NULL, 0);
        return r;
}

static int write_map(const struct id_mappings *m, int proc_fd, pid_t pid, const char *name)
{
        char path[40], text[MAP_TEXT_MAX];
        size_t at = 0;

        for (size_t i = 0; i < m->n && at < sizeof(text); i++)
                at += (size_t)snprintf(text + at, sizeof(text) - at, "%u %u %u\n",
                                       m->v[i].container, m->v[i].host, m->v[i].size);
        if (at >= sizeof(text))
                return -E2BIG;
        snprintf(path, sizeof(path), "%d/%s", pid, name);
        return file_poke(proc_fd, path, text);
}

static int open_mapped(const struct id_mappings *uids, const struct id_mappings *gids, int proc_fd,
                       pid_t pid, struct err *e)
{
        char path[40];
        int r = write_map(uids, proc_fd, pid, "uid_map");

        if (r >= 0)
                r = write_map(gids, proc_fd, pid, "gid_map");
        if (r < 0)
                return err_sys(e, -r, "cannot map ids in a user namespace");
        snprintf(path, sizeof(path), "%d/ns/user", pid);
        r = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
        return r < 0 ? err_sys(e, errno, "cannot open a user namespace") : r;
}

int idmap_make(const struct id_mappings *uids, const struct id_mappings *gids, int proc_fd,
               struct err *e)
{
        int sock, fd = -1;
        pid_t pid = fd_fork(&sock, e);
        char c;

        if (pid < 0)
                return -1;
        if (pid == 0)
                stay(-1, sock);
        if (read(sock, &c, 1) != 1)
                err_set(e, "cannot make a user namespace");
        else if (c != 0)
                err_sys(e, c, "cannot make a user namespace");
        else
                fd = open_mapped(uids, gids, proc_fd, pid, e);
        fd_close(&sock);
        (void)waitpid(pid, NULL, 0);
        return fd;
}

bool idmap_is_same(const struct id_mappings *a, const struct id_mappings *b)
{
        return a->n == b->n && (a->n == 0 || memcmp(a->v, b->v, a->n * sizeof(*a->v)) == 0);
}

/* The kernel wants the whole map in one write. */
static int write_text(int proc_fd, pid_t pid, const char *file, const char *text)
{
        char name[40];

        snprintf(name, sizeof(name), "%d/%s", pid, file);
        return file_poke(proc_fd, name, text);
}

int idmap_parent(const struct idmap_plan *p, int proc_fd, pid_t pid, struct err *e)
{
        int r = 0;

        if (p->uid_helper && idmap_helper("newuidmap", &p->uids, pid, e) < 0)
                return err_in(e, "linux.uidMappings");
        if (!p->uid_helper)
                r = write_text(proc_fd, pid, "uid_map", p->uid_text);
        if (r < 0)
                return err_sys(e, -r, "linux.uidMappings: cannot set them");
        if (p->deny_groups)
                r = write_text(proc_fd, pid, "setgroups", "deny");
        if (r < 0)
                return err_sys(e, -r, "linux.gidMappings: cannot give up setgroups(2)");
        if (p->gid_helper && idmap_helper("newgidmap", &p->gids, pid, e) < 0)
                return err_in(e, "linux.gidMappings");
        if (!p->gid_helper)
                r = write_text(proc_fd, pid, "gid_map", p->gid_text);
        return r < 0 ? err_sys(e, -r, "linux.gidMappings: cannot set them") : 0;
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
        r = p->no_groups ? 0 : sys_setgroups(0, NULL);
        if (r < 0)
                return err_sys(e, -r, "cannot drop the caller's groups");
        return 0;
}
