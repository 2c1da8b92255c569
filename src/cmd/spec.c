/* Write a config.json to begin with: everything closed that need not be open. */
#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/names.h"
#include "kenro/cmd/cmd.h"
#include "kenro/json/json_write.h"
#include "kenro/policy/profile.h"
#include "kenro/spec/spec_fields.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct spec_options {
        const char *bundle;
        bool rootless;
};

/* clang-format off */
const struct option_row spec_rows[] = {
        { "bundle", 'b', OPTION_TEXT, offsetof(struct spec_options, bundle), "DIR",
          "where to write config.json (default: here)" },
        { "rootless", 0, OPTION_FLAG, offsetof(struct spec_options, rootless), NULL,
          "for an ordinary user, whose own id is the container's root" },
        { 0 },
};

#define TTY_GROUP "gid=5" /* --rootless maps no group but the caller's */

/* Ids that no user of an ordinary host has. */
enum { USERNS_FIRST = 1000000000, USERNS_SIZE = 65536 };

static const struct {
        const char *destination, *type, *source;
        const char *options[10];
} mounts[] = {
        { "/proc", "proc", "proc", { "nosuid", "noexec", "nodev" } },
        { "/dev", "tmpfs", "tmpfs", { "nosuid", "noexec", "strictatime", "mode=755", "size=65536k" } },
        { "/dev/pts", "devpts", "devpts",
          { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", TTY_GROUP } },
        { "/dev/shm", "tmpfs", "shm",
          { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
        { "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
        { "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
        { "/sys/fs/cgroup", "cgroup", "cgroup", { "nosuid", "noexec", "nodev", "relatime", "ro" } },
        { "/tmp", "tmpfs", "tmpfs", { "nosuid", "nodev", "mode=1777", "size=65536k" } },
        { "/run", "tmpfs", "tmpfs", { "nosuid", "noexec", "nodev", "mode=755", "size=65536k" } },
};

/* Files that tell about the host or reach its kernel. */
static const char *const masked[] = {
        "/proc/acpi", "/proc/asound", "/proc/config.gz", "/proc/interrupts", "/proc/iomem",
        "/proc/ioports", "/proc/kallsyms", "/proc/kcore", "/proc/keys", "/proc/key-users",
        "/proc/kpagecgroup", "/proc/kpagecount", "/proc/kpageflags", "/proc/latency_stats",
        "/proc/modules", "/proc/pagetypeinfo", "/proc/sched_debug", "/proc/scsi",
        "/proc/slabinfo", "/proc/sysrq-trigger", "/proc/timer_list", "/proc/timer_stats",
        "/proc/vmallocinfo", "/sys/devices/virtual/powercap", "/sys/firmware",
        "/sys/fs/selinux", "/sys/kernel/boot_params", "/sys/kernel/btf", "/sys/kernel/debug",
        "/sys/kernel/notes", "/sys/kernel/security", "/sys/kernel/slab", "/sys/kernel/tracing",
        "/sys/kernel/vmcoreinfo", "/sys/module", NULL,
};

static const char *const readonly[] = {
        "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", NULL,
};
/* clang-format on */

static void strings(struct json_out *o, const char *key, const char *const *v)
{
        json_key(o, key);
        json_list(o);
        for (; *v; v++)
                json_str(o, *v);
        json_list_end(o);
}

static void process(struct json_out *o)
{
        static const char *const args[] = { "sh", NULL };
        static const char *const env[] = {
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm",
                NULL
        };
        static const char *const sets[] = { "bounding", "effective", "permitted", NULL };
        static const char *const none[] = { NULL };

        json_key(o, "process");
        json_map(o);
        json_key_bool(o, "terminal", true);
        json_key(o, "user");
        json_map(o);
        json_key_uint(o, "uid", 0);
        json_key_uint(o, "gid", 0);
        json_map_end(o);
        strings(o, "args", args);
        strings(o, "env", env);
        json_key_str(o, "cwd", "/");
        json_key(o, "capabilities");
        json_map(o);
        for (size_t i = 0; sets[i]; i++)
                strings(o, sets[i], none);
        json_map_end(o);
        json_key(o, "rlimits");
        json_list(o);
        json_map(o);
        json_key_str(o, "type", "RLIMIT_CORE");
        json_key_uint(o, "hard", 0);
        json_key_uint(o, "soft", 0);
        json_map_end(o);
        json_list_end(o);
        json_key_bool(o, "noNewPrivileges", true);
        json_map_end(o);
}

static void write_options(struct json_out *o, const char *const *v, bool rootless)
{
        json_key(o, "options");
        json_list(o);
        for (; *v; v++)
                if (!rootless || strcmp(*v, TTY_GROUP) != 0)
                        json_str(o, *v);
        json_list_end(o);
}

static void write_mounts(struct json_out *o, bool rootless)
{
        json_key(o, "mounts");
        json_list(o);
        for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
                json_map(o);
                json_key_str(o, "destination", mounts[i].destination);
                json_key_str(o, "type", mounts[i].type);
                json_key_str(o, "source", mounts[i].source);
                write_options(o, mounts[i].options, rootless);
                json_map_end(o);
        }
        json_list_end(o);
}

static void mapping(struct json_out *o, const char *key, uint32_t host, uint32_t size)
{
        json_key(o, key);
        json_list(o);
        json_map(o);
        json_key_uint(o, "containerID", 0);
        json_key_uint(o, "hostID", host);
        json_key_uint(o, "size", size);
        json_map_end(o);
        json_list_end(o);
}

static void namespaces(struct json_out *o)
{
        json_key(o, "namespaces");
        json_list(o);
        for (const struct name *n = spec_namespace_names; n->name; n++) {
                json_map(o);
                json_key_str(o, "type", n->name);
                json_map_end(o);
        }
        json_list_end(o);
}

static void seccomp_args(struct json_out *o, const struct spec_syscall *s)
{
        json_key(o, "args");
        json_list(o);
        for (size_t i = 0; i < s->args.n; i++) {
                json_map(o);
                json_key_uint(o, "index", s->args.v[i].index);
                json_key(o, "value");
                json_uint(o, s->args.v[i].value);
                if (s->args.v[i].op.v == CMP_MASKED_EQ) {
                        json_key(o, "valueTwo");
                        json_uint(o, s->args.v[i].value_two);
                }
                json_key_str(o, "op", name_of(spec_seccomp_compare_names, s->args.v[i].op.v));
                json_map_end(o);
        }
        json_list_end(o);
}

static void seccomp(struct json_out *o, const struct spec_seccomp *f)
{
        json_key(o, "seccomp");
        json_map(o);
        json_key_str(o, "defaultAction", name_of(spec_seccomp_action_names, f->default_action.v));
        json_key_uint(o, "defaultErrnoRet", f->default_errno_ret.v);
        json_key(o, "syscalls");
        json_list(o);
        for (size_t i = 0; i < f->syscalls.n; i++) {
                const struct spec_syscall *s = &f->syscalls.v[i];

                json_map(o);
                json_key(o, "names");
                json_list(o);
                for (size_t k = 0; k < s->names.n; k++)
                        json_str(o, s->names.v[k]);
                json_list_end(o);
                json_key_str(o, "action", name_of(spec_seccomp_action_names, s->action.v));
                if (s->errno_ret.set)
                        json_key_uint(o, "errnoRet", (int64_t)s->errno_ret.v);
                if (s->args.n)
                        seccomp_args(o, s);
                json_map_end(o);
        }
        json_list_end(o);
        json_map_end(o);
}

static void resources(struct json_out *o)
{
        json_key(o, "resources");
        json_map(o);
        json_key(o, "devices");
        json_list(o);
        json_map(o);
        json_key_bool(o, "allow", false);
        json_key_str(o, "access", "rwm");
        json_map_end(o);
        json_list_end(o);
        json_map_end(o);
}

static void linux_part(struct json_out *o, const struct spec_seccomp *f, bool rootless)
{
        json_key(o, "linux");
        json_map(o);
        namespaces(o);
        mapping(o, "uidMappings", rootless ? geteuid() : USERNS_FIRST, rootless ? 1 : USERNS_SIZE);
        mapping(o, "gidMappings", rootless ? getegid() : USERNS_FIRST, rootless ? 1 : USERNS_SIZE);
        if (!rootless)
                resources(o);
        strings(o, "maskedPaths", masked);
        strings(o, "readonlyPaths", readonly);
        seccomp(o, f);
        json_map_end(o);
}

static int write_file(const char *bundle, const char *text, size_t len, struct err *e)
{
        autoclose int dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
        autoclose int fd = -1;
        int r;

        if (dir < 0)
                return err_sys(e, errno, "cannot open the bundle %s", bundle);
        fd = openat(dir, "config.json", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0 && errno == EEXIST)
                return err_set(e, "%s/config.json is there already", bundle);
        if (fd < 0)
                return err_sys(e, errno, "cannot create %s/config.json", bundle);
        r = file_write_all(fd, text, len);
        return r < 0 ? err_sys(e, -r, "cannot write %s/config.json", bundle) : 0;
}

int cmd_spec(struct cli *c, struct err *e)
{
        const struct spec_options *so = c->options;
        const struct spec_seccomp *f = profile_seccomp(NULL, true, c->arena, e);
        struct json_out o;
        const char *text;
        size_t len;

        if (so->rootless && geteuid() == 0 && host_has_all_ids()) {
                err_set(e, "--rootless is for ordinary users: root's own id would be the "
                           "container's root");
                return err_hint(e, "leave it out, or run it as the user");
        }
        if (!f || json_out_init(&o, true, e) < 0)
                return -1;
        json_map(&o);
        json_key_str(&o, "ociVersion", KENRO_SPEC_VERSION);
        process(&o);
        json_key(&o, "root");
        json_map(&o);
        json_key_str(&o, "path", "rootfs");
        json_key_bool(&o, "readonly", true);
        json_map_end(&o);
        json_key_str(&o, "hostname", "kenro");
        write_mounts(&o, so->rootless);
        linux_part(&o, f, so->rootless);
        json_map_end(&o);
        text = json_text(&o, &len, e);
        return text ? write_file(so->bundle ? so->bundle : ".", text, len, e) : -1;
}
