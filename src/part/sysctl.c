#include "kenro/part/sysctl.h"

#include "kenro/base/fd.h"
#include "kenro/base/names.h"
#include "kenro/base/sys.h"

#include <fcntl.h>
#include <string.h>

/* What belongs to which namespace, as paths. A trailing slash is a prefix. */
static const struct name owners[] = {
        { "kernel/msgmax", CLONE_NEWIPC },
        { "kernel/msgmnb", CLONE_NEWIPC },
        { "kernel/msgmni", CLONE_NEWIPC },
        { "kernel/msg_next_id", CLONE_NEWIPC },
        { "kernel/sem", CLONE_NEWIPC },
        { "kernel/sem_next_id", CLONE_NEWIPC },
        { "kernel/shmall", CLONE_NEWIPC },
        { "kernel/shmmax", CLONE_NEWIPC },
        { "kernel/shmmni", CLONE_NEWIPC },
        { "kernel/shm_next_id", CLONE_NEWIPC },
        { "kernel/shm_rmid_forced", CLONE_NEWIPC },
        { "fs/mqueue/", CLONE_NEWIPC },
        { "kernel/domainname", CLONE_NEWUTS },
        { "net/", CLONE_NEWNET },
        { NULL, 0 },
};

static const struct name namespaces[] = {
        { "an ipc", CLONE_NEWIPC },
        { "a uts", CLONE_NEWUTS },
        { "a network", CLONE_NEWNET },
        { NULL, 0 },
};

/* "net.ipv4.ip_forward", or with slashes as in procfs. The first separator
 * decides; with dots, a slash stands for a dot of an interface's name. */
static void to_path(const char *key, char *path)
{
        bool dots = key[strcspn(key, "./")] == '.';

        for (; *key; key++)
                *path++ = *key == '.' && dots ? '/' : *key == '/' && dots ? '.' : *key;
        *path = '\0';
}

/* No empty component, no "." and no "..". */
static bool is_plain(const char *path)
{
        while (*path) {
                size_t len = strcspn(path, "/");

                if (len == 0 || (path[0] == '.' && (len == 1 || (len == 2 && path[1] == '.'))))
                        return false;
                path += len;
                if (*path == '/' && *++path == '\0')
                        return false;
        }
        return true;
}

static uint64_t owner_of(const char *path)
{
        for (const struct name *o = owners; o->name; o++) {
                size_t len = strlen(o->name);

                if (o->name[len - 1] == '/' ? strncmp(path, o->name, len) == 0
                                            : strcmp(path, o->name) == 0)
                        return o->value;
        }
        return 0;
}

static int plan_one(const struct json_pair *p, uint64_t own, struct arena *a,
                    struct sysctl_entry *ret, struct err *e)
{
        char *path = arena_printf(a, e, "sys/%s", p->key);
        uint64_t owner;

        if (!path)
                return -1;
        to_path(p->key, path + 4);
        owner = owner_of(path + 4);
        if (!path[4] || !is_plain(path + 4))
                return err_set(e, "not the name of a kernel parameter");
        if (strcmp(path, "sys/kernel/hostname") == 0)
                return err_set(e, "set 'hostname' instead");
        if (!owner)
                return err_set(e, "is not namespaced, it would change the host");
        if (!(own & owner))
                return err_set(e, "needs %s namespace of its own, it would change the host",
                               name_of(namespaces, owner));
        if (strpbrk(p->value, "\n\r"))
                return err_set(e, "the value has a line break");
        *ret = (struct sysctl_entry){ p->key, path, p->value };
        return 0;
}

int sysctl_plan(const struct pairs *sysctl, uint64_t own, struct arena *a, struct sysctl_plan *ret,
                struct err *e)
{
        struct sysctl_entry *v = ARENA_NEW(a, struct sysctl_entry, sysctl->n, e);

        if (!v)
                return -1;
        for (size_t i = 0; i < sysctl->n; i++)
                if (plan_one(&sysctl->v[i], own, a, &v[i], e) < 0)
                        return err_in(e, "linux.sysctl.%.60s", sysctl->v[i].key);
        *ret = (struct sysctl_plan){ v, sysctl->n };
        return 0;
}

int sysctl_child(const struct sysctl_plan *p, int proc_fd, struct err *e)
{
        for (size_t i = 0; i < p->n; i++) {
                size_t len = strlen(p->v[i].value);
                autoclose int fd = sys_openat2(proc_fd, p->v[i].path, O_WRONLY, 0,
                                               RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
                                                       RESOLVE_NO_XDEV);

                if (fd < 0)
                        return err_sys(e, -fd, "linux.sysctl.%.60s: cannot open it", p->v[i].key);
                if (write(fd, p->v[i].value, len) != (ssize_t)len)
                        return err_sys(e, errno, "linux.sysctl.%.60s: cannot set '%.60s'",
                                       p->v[i].key, p->v[i].value);
        }
        return 0;
}
