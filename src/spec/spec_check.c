#include "spec_check.h"

#include "kenro/base/names.h"
#include "kenro/base/sys.h"
#include "kenro/spec/spec_fields.h"
#include "kenro/spec/spec_load.h"

#include <limits.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum {
        UTS_NAME_MAX = 64,     /* __NEW_UTS_LEN, uname(2) */
        ID_MAPPINGS_MAX = 340, /* user_namespaces(7), since Linux 4.15 */
        ID_MAP_BYTES = 4096,   /* less than a page: the same */
        ERRNO_RET_MAX = 4095,  /* MAX_ERRNO, seccomp(2) */
        PATH_BYTES = 128,
};

struct check {
        const struct json_source *src;
        const struct spec *s;
        struct err *e;
};

#define FAIL(c, path, ...) json_fail((c)->src, (c)->e, (path), __VA_ARGS__)

/* "LIST[I].MEMBER" into a static-free buffer of the caller. */
#define ITEM(buf, list, i, member) (snprintf(buf, sizeof(buf), "%s[%zu]%s", list, i, member), buf)

/* "MAJOR.MINOR.PATCH", digits without leading zeros, then "-..." or "+..." */
static bool is_semver(const char *v)
{
        for (int part = 0; part < 3; part++) {
                size_t digits = strspn(v, "0123456789");

                if (digits == 0 || digits > 9 || (v[0] == '0' && digits > 1))
                        return false;
                v += digits;
                if (part < 2 && *v++ != '.')
                        return false;
        }
        if (*v == '\0')
                return true;
        return (*v == '-' || *v == '+') && v[1] != '\0' &&
               strspn(v + 1, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-.+") ==
                       strlen(v + 1);
}

static int check_version(const struct check *c)
{
        const char *v = c->s->oci_version;

        if (!is_semver(v))
                return FAIL(c, "ociVersion", "'%.60s' is not a version like 1.3.0", v);
        if (strncmp(v, "1.", 2) != 0)
                return FAIL(c, "ociVersion", "%.60s is not supported, only 1.x is", v);
        return 0;
}

static int check_root(const struct check *c)
{
        if (!c->s->root)
                return FAIL(c, "", "'root' is required");
        if (c->s->root->path[0] == '\0')
                return FAIL(c, "root.path", "is empty");
        if (c->s->vm)
                return FAIL(c, "vm", "kenro runs no virtual machines");
        return 0;
}

static int check_uts_name(const struct check *c, const char *key, const char *name)
{
        if (!name || !*name)
                return 0;
        if (strlen(name) > UTS_NAME_MAX)
                return FAIL(c, key, "%zu bytes, the kernel allows %d", strlen(name), UTS_NAME_MAX);
        if (!spec_namespace(c->s, CLONE_NEWUTS))
                return FAIL(c, key, "needs a uts namespace, or the host would be renamed");
        return 0;
}

static int check_names(const struct check *c)
{
        if (check_uts_name(c, "hostname", c->s->hostname) < 0)
                return -1;
        return check_uts_name(c, "domainname", c->s->domainname);
}

static int check_namespaces(const struct check *c)
{
        const struct spec_linux *l = c->s->linux_;
        uint64_t seen = 0;
        char path[PATH_BYTES];

        for (size_t i = 0; i < l->namespaces.n; i++) {
                const struct spec_namespace *ns = &l->namespaces.v[i];

                if (seen & ns->type.v)
                        return FAIL(c, ITEM(path, "linux.namespaces", i, ".type"),
                                    "'%s' is already listed",
                                    name_of(spec_namespace_names, ns->type.v));
                seen |= ns->type.v;
                if (ns->path && ns->path[0] != '/')
                        return FAIL(c, ITEM(path, "linux.namespaces", i, ".path"),
                                    "'%s' is not an absolute path", ns->path);
        }
        return 0;
}

/* One list of mappings: not empty ranges, no wrap, no overlap on either side. */
static int check_mapping_list(const struct check *c, const char *list, const struct id_mappings *m)
{
        char path[PATH_BYTES];
        int bytes = 0;

        if (m->n > ID_MAPPINGS_MAX)
                return FAIL(c, list, "%zu mappings, the kernel allows %d", m->n, ID_MAPPINGS_MAX);
        for (size_t i = 0; i < m->n; i++) {
                const struct id_mapping *a = &m->v[i];

                bytes += snprintf(NULL, 0, "%u %u %u\n", a->container, a->host, a->size);
                if (a->size == 0)
                        return FAIL(c, ITEM(path, list, i, ".size"), "is 0");
                if (a->container > UINT32_MAX - a->size || a->host > UINT32_MAX - a->size)
                        return FAIL(c, ITEM(path, list, i, ".size"),
                                    "the range ends beyond id 4294967294");
                for (size_t k = 0; k < i; k++) {
                        const struct id_mapping *b = &m->v[k];

                        if ((a->container < b->container + b->size &&
                             b->container < a->container + a->size) ||
                            (a->host < b->host + b->size && b->host < a->host + a->size))
                                return FAIL(c, ITEM(path, list, i, ""), "overlaps with entry %zu",
                                            k);
                }
        }
        if (bytes >= ID_MAP_BYTES)
                return FAIL(c, list, "%d bytes as text, the kernel takes less than %d", bytes,
                            ID_MAP_BYTES);
        return 0;
}

static int check_mappings(const struct check *c)
{
        const struct spec_linux *l = c->s->linux_;
        bool uids = l->uid_mappings.n > 0, gids = l->gid_mappings.n > 0;

        if (check_mapping_list(c, "linux.uidMappings", &l->uid_mappings) < 0 ||
            check_mapping_list(c, "linux.gidMappings", &l->gid_mappings) < 0)
                return -1;
        if ((uids || gids) && !spec_namespace(c->s, CLONE_NEWUSER))
                return FAIL(c, uids ? "linux.uidMappings" : "linux.gidMappings",
                            "needs a user namespace in linux.namespaces");
        if (spec_namespace_new(c->s, CLONE_NEWUSER) && (!uids || !gids))
                return FAIL(c, "linux.namespaces", "a new user namespace needs linux.%sMappings",
                            uids ? "gid" : "uid");
        return 0;
}

static int check_time_offsets(const struct check *c)
{
        const struct spec_linux *l = c->s->linux_;
        char path[PATH_BYTES];

        for (size_t i = 0; i < l->time_offsets.n; i++) {
                const char *clock = l->time_offsets.v[i].key;

                if (strcmp(clock, "monotonic") != 0 && strcmp(clock, "boottime") != 0) {
                        snprintf(path, sizeof(path), "linux.timeOffsets.%.60s", clock);
                        return FAIL(c, path, "no such clock, there are monotonic and boottime");
                }
        }
        if (l->time_offsets.n > 0 && !spec_namespace_new(c->s, CLONE_NEWTIME))
                return FAIL(c, "linux.timeOffsets", "needs a new time namespace");
        return 0;
}

static int check_path_list(const struct check *c, const char *list, const struct strings *paths)
{
        char path[PATH_BYTES];

        for (size_t i = 0; i < paths->n; i++)
                if (paths->v[i][0] != '/')
                        return FAIL(c, ITEM(path, list, i, ""), "'%s' is not an absolute path",
                                    paths->v[i]);
        return 0;
}

static int check_paths(const struct check *c)
{
        const struct spec_linux *l = c->s->linux_;

        if (check_path_list(c, "linux.maskedPaths", &l->masked_paths) < 0)
                return -1;
        return check_path_list(c, "linux.readonlyPaths", &l->readonly_paths);
}

static int check_devices(const struct check *c)
{
        const struct spec_linux *l = c->s->linux_;
        char path[PATH_BYTES];

        for (size_t i = 0; i < l->devices.n; i++) {
                const struct spec_device *d = &l->devices.v[i];

                if (d->path[0] != '/')
                        return FAIL(c, ITEM(path, "linux.devices", i, ".path"),
                                    "'%s' is not an absolute path", d->path);
                if (d->type.v != S_IFIFO &&
                    (!d->major.set || !d->minor.set || d->major.v < 0 || d->minor.v < 0))
                        return FAIL(c, ITEM(path, "linux.devices", i, ""),
                                    "'major' and 'minor' are required for a device");
        }
        return 0;
}

static int check_device_rules(const struct check *c)
{
        const struct spec_resources *r = c->s->linux_->resources;
        char path[PATH_BYTES];

        for (size_t i = 0; r && i < r->devices.n; i++) {
                const char *access = r->devices.v[i].access;

                /* Optional in the text; a rule without would allow nothing, deny nothing. */
                if (!access || !*access)
                        return FAIL(c, ITEM(path, "linux.resources.devices", i, ".access"),
                                    "is missing, expected some of r, w and m");
                if (access[strspn(access, "rwm")] != '\0')
                        return FAIL(c, ITEM(path, "linux.resources.devices", i, ".access"),
                                    "'%s' has letters other than r, w and m", access);
        }
        return 0;
}

static bool takes_errno(uint64_t action)
{
        return action == SECCOMP_RET_ERRNO || action == SECCOMP_RET_TRACE;
}

static int check_errno_ret(const struct check *c, const char *path, uint64_t action,
                           struct opt_uint errno_ret)
{
        if (!errno_ret.set)
                return 0;
        if (!takes_errno(action))
                return FAIL(c, path, "%s takes no errno",
                            name_of(spec_seccomp_action_names, action));
        if (errno_ret.v > (action == SECCOMP_RET_ERRNO ? ERRNO_RET_MAX : UINT16_MAX))
                return FAIL(c, path, "%llu is not an errno", (unsigned long long)errno_ret.v);
        return 0;
}

/* The runtime itself reads and writes once more after the filter is loaded, and no
 * agent listens by then. */
static int check_notified(const struct check *c, size_t i)
{
        const struct spec_syscall *s = &c->s->linux_->seccomp->syscalls.v[i];
        char path[PATH_BYTES];

        for (size_t k = 0; k < s->names.n; k++)
                if (strcmp(s->names.v[k], "read") == 0 || strcmp(s->names.v[k], "write") == 0)
                        return FAIL(c, ITEM(path, "linux.seccomp.syscalls", i, ".action"),
                                    "SCMP_ACT_NOTIFY cannot be used for the %s syscall",
                                    s->names.v[k]);
        return 0;
}

static int check_notify(const struct check *c, const struct spec_seccomp *f)
{
        bool notifies = false;

        if (f->default_action.v == SECCOMP_RET_USER_NOTIF)
                return FAIL(c, "linux.seccomp.defaultAction",
                            "SCMP_ACT_NOTIFY cannot be used for all syscalls");
        for (size_t i = 0; i < f->syscalls.n; i++) {
                if (f->syscalls.v[i].action.v != SECCOMP_RET_USER_NOTIF)
                        continue;
                notifies = true;
                if (check_notified(c, i) < 0)
                        return -1;
        }
        if (notifies && (!f->listener_path || f->listener_path[0] != '/'))
                return FAIL(c, "linux.seccomp.listenerPath",
                            "SCMP_ACT_NOTIFY needs an absolute path of a socket");
        for (size_t i = 0; i < f->flags.n && !notifies; i++)
                if (f->flags.v[i] == SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
                        return FAIL(c, "linux.seccomp.flags",
                                    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV is for "
                                    "SCMP_ACT_NOTIFY only");
        return 0;
}

static int check_seccomp(const struct check *c)
{
        const struct spec_seccomp *f = c->s->linux_->seccomp;
        char path[PATH_BYTES];

        if (!f)
                return 0;
        if (check_errno_ret(c, "linux.seccomp.defaultErrnoRet", f->default_action.v,
                            f->default_errno_ret) < 0)
                return -1;
        if (f->listener_metadata && !f->listener_path)
                return FAIL(c, "linux.seccomp.listenerMetadata", "needs listenerPath");
        if (check_notify(c, f) < 0)
                return -1;
        for (size_t i = 0; i < f->syscalls.n; i++) {
                const struct spec_syscall *s = &f->syscalls.v[i];

                if (s->names.n == 0)
                        return FAIL(c, ITEM(path, "linux.seccomp.syscalls", i, ".names"),
                                    "at least one name is required");
                if (check_errno_ret(c, ITEM(path, "linux.seccomp.syscalls", i, ".errnoRet"),
                                    s->action.v, s->errno_ret) < 0)
                        return -1;
        }
        return 0;
}

static int check_mounts(const struct check *c)
{
        char path[PATH_BYTES];

        for (size_t i = 0; i < c->s->mounts.n; i++) {
                const struct spec_mount *m = &c->s->mounts.v[i];

                if (m->destination[0] == '\0')
                        return FAIL(c, ITEM(path, "mounts", i, ".destination"), "is empty");
                if (check_mapping_list(c, ITEM(path, "mounts", i, ".uidMappings"),
                                       &m->uid_mappings) < 0 ||
                    check_mapping_list(c, ITEM(path, "mounts", i, ".gidMappings"),
                                       &m->gid_mappings) < 0)
                        return -1;
                if ((m->uid_mappings.n > 0) != (m->gid_mappings.n > 0))
                        return FAIL(c, ITEM(path, "mounts", i, ""),
                                    "uidMappings and gidMappings only go together");
        }
        return 0;
}

int spec_check_process(const struct json_source *src, const char *prefix,
                       const struct spec_process *p, struct err *e)
{
        struct check c = { src, NULL, e };
        const char *dot = prefix[0] ? "." : "";
        uint64_t seen = 0;
        char path[PATH_BYTES];

        snprintf(path, sizeof(path), "%s%scwd", prefix, dot);
        if (p->cwd[0] != '/')
                return FAIL(&c, path, "'%s' is not an absolute path", p->cwd);
        snprintf(path, sizeof(path), "%s%sargs", prefix, dot);
        if (p->args.n == 0 || p->args.v[0][0] == '\0')
                return FAIL(&c, path, "at least one, not empty, is required");
        for (size_t i = 0; i < p->rlimits.n; i++) {
                const struct spec_rlimit *r = &p->rlimits.v[i];

                snprintf(path, sizeof(path), "%s%srlimits[%zu].type", prefix, dot, i);
                if (seen & 1ull << r->type.v)
                        return FAIL(&c, path, "'%s' is already listed",
                                    name_of(spec_rlimit_names, r->type.v));
                seen |= 1ull << r->type.v;
                snprintf(path, sizeof(path), "%s%srlimits[%zu].soft", prefix, dot, i);
                if (r->soft > r->hard)
                        return FAIL(&c, path, "is larger than hard");
        }
        return 0;
}

static int check_annotations(const struct check *c)
{
        for (size_t i = 0; i < c->s->annotations.n; i++)
                if (!c->s->annotations.v[i].key[0])
                        return FAIL(c, "annotations", "a key is empty");
        return 0;
}

int spec_check(const struct json_source *src, const struct spec *s, struct err *e)
{
        static int (*const checks[])(const struct check *) = {
                check_namespaces, check_mappings,    check_names,        check_time_offsets,
                check_paths,      check_devices,     check_device_rules, check_seccomp,
                check_mounts,     check_annotations,
        };
        struct check c = { src, s, e };

        if (check_version(&c) < 0 || check_root(&c) < 0)
                return -1;
        if (!s->linux_)
                return FAIL(&c, "", "'linux' is required");
        for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
                if (checks[i](&c) < 0)
                        return -1;
        return s->process ? spec_check_process(src, "process", s->process, e) : 0;
}
