#include "kenro/part/lsm.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* In order: where AppArmor has files of its own, the others may be another LSM's. */
static const char *const apparmor_files[] = {
        "thread-self/attr/apparmor/exec",
        "thread-self/attr/exec",
};

#define SELINUX_FILE "thread-self/attr/exec"
#define KEY_FILE "thread-self/attr/keycreate"

enum { LABEL_BYTES = 4096 };

static const char *given(const char *label)
{
        return label && *label ? label : NULL;
}

static int check(const char *label, const char *member, bool enabled, const char *lsm,
                 struct err *e)
{
        if (!label)
                return 0;
        if (!enabled)
                return err_set(e, "process.%s: %s is not enabled on this host", member, lsm);
        for (const char *s = label; *s; s++)
                if ((unsigned char)*s < 0x20 || *s == 0x7f)
                        return err_set(e, "process.%s: has a control character", member);
        if (strlen(label) >= LABEL_BYTES - sizeof("exec "))
                return err_set(e, "process.%s: is longer than a page", member);
        return 0;
}

int lsm_plan(const struct spec_process *p, const struct host *h, struct arena *a,
             struct lsm_plan *ret, struct err *e)
{
        struct lsm_plan r = { .apparmor = given(p->apparmor_profile),
                              .selinux = given(p->selinux_label) };

        if (check(r.apparmor, "apparmorProfile", h->apparmor, "AppArmor", e) < 0 ||
            check(r.selinux, "selinuxLabel", h->selinux, "SELinux", e) < 0)
                return -1;
        if (r.apparmor) {
                r.vague = strstr(r.apparmor, "//&") || strchr(":&", r.apparmor[0]);
                r.command = arena_printf(a, e, "exec %s", r.apparmor);
                if (!r.command)
                        return -1;
        }
        *ret = r;
        return 0;
}

/* Engines look for the file's name in backquotes. */
static int cannot_write(const char *what, const char *label, const char *file, int num,
                        struct err *e)
{
        return err_sys(e, num, "%s: cannot set '%.150s' by `/proc/%s`", what, label, file);
}

/* Returns 1 if FILE is not there. */
static int write_label(int proc_fd, const char *file, const char *text)
{
        autoclose int fd = openat(proc_fd, file, O_WRONLY | O_CLOEXEC);
        size_t len = strlen(text);
        ssize_t n;

        if (fd < 0)
                return errno == ENOENT ? 1 : -errno;
        do
                n = write(fd, text, len);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : (size_t)n == len ? 0 : -EIO;
}

static int set_apparmor(const struct lsm_plan *p, int proc_fd, struct err *e)
{
        const char *file = apparmor_files[0];
        int r = write_label(proc_fd, file, p->command);

        if (r == 1) {
                file = apparmor_files[1];
                r = write_label(proc_fd, file, p->command);
        }
        if (r == 0)
                return 0;
        cannot_write("process.apparmorProfile", p->apparmor, file, r == 1 ? ENOENT : -r, e);
        return r == -ENOENT ? err_hint(e, "no such profile is loaded: see apparmor_parser(8)") : -1;
}

static int set_selinux(const struct lsm_plan *p, int proc_fd, const char *file, struct err *e)
{
        int r = write_label(proc_fd, file, p->selinux);

        if (r == 0 || (r == 1 && strcmp(file, KEY_FILE) == 0)) /* a kernel without keyrings */
                return 0;
        cannot_write("process.selinuxLabel", p->selinux, file, r == 1 ? ENOENT : -r, e);
        return r == -EINVAL ? err_hint(e, "the loaded policy has no such context") : -1;
}

int lsm_key_child(const struct lsm_plan *p, int proc_fd, struct err *e)
{
        return p->selinux ? set_selinux(p, proc_fd, KEY_FILE, e) : 0;
}

/* One NUL is how "none" is written. */
int lsm_key_done_child(const struct lsm_plan *p, int proc_fd, struct err *e)
{
        autoclose int fd = -1;

        if (!p->selinux)
                return 0;
        fd = openat(proc_fd, KEY_FILE, O_WRONLY | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
                return 0;
        if (fd < 0 || write(fd, "", 1) != 1)
                return err_sys(e, errno, "cannot reset `/proc/" KEY_FILE "`");
        return 0;
}

static bool is_profile(const char *now, const struct lsm_plan *p)
{
        size_t len = strlen(p->apparmor);

        if (p->vague)
                return now[0] != '\0';
        return strncmp(now, p->apparmor, len) == 0 && strchr(" \n", now[len]);
}

/* User, role and type; the kernel sorts and joins the categories. */
static bool is_context(const char *now, const char *context)
{
        size_t len = 0;

        for (int part = 0; part < 3 && context[len]; part++)
                len += strcspn(context + len + (part > 0), ":") + (part > 0);
        return strncmp(now, context, len) == 0 && strchr(":\n", now[len]);
}

static int check_apparmor(const struct lsm_plan *p, int proc_fd, struct err *e)
{
        char now[LABEL_BYTES];
        ssize_t r = file_peek(proc_fd, apparmor_files[0], now, sizeof(now));

        if (r < 0)
                r = file_peek(proc_fd, apparmor_files[1], now, sizeof(now));
        if (r < 0)
                return err_sys(e, (int)-r, "read-back: cannot read the AppArmor profile");
        return is_profile(now, p)
                       ? 0
                       : err_set(e, "read-back: the AppArmor profile is not the planned one");
}

static int check_selinux(const struct lsm_plan *p, int proc_fd, struct err *e)
{
        char now[LABEL_BYTES];
        ssize_t r = file_peek(proc_fd, SELINUX_FILE, now, sizeof(now));

        if (r < 0)
                return err_sys(e, (int)-r, "read-back: cannot read the SELinux label");
        return is_context(now, p->selinux)
                       ? 0
                       : err_set(e, "read-back: the SELinux label is not the planned one");
}

int lsm_child(const struct lsm_plan *p, int proc_fd, struct err *e)
{
        if (p->apparmor && (set_apparmor(p, proc_fd, e) < 0 || check_apparmor(p, proc_fd, e) < 0))
                return -1;
        if (p->selinux &&
            (set_selinux(p, proc_fd, SELINUX_FILE, e) < 0 || check_selinux(p, proc_fd, e) < 0))
                return -1;
        return 0;
}
