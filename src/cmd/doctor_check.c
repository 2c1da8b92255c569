#include "kenro/cmd/doctor.h"

#include "kenro/base/log.h"

#include "doctor_words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *finding_status_name(enum finding_status s)
{
        static const char *const names[] = { "ok", "info", "warn", "fail" };

        return names[s];
}

void finding_say(struct finding *f, enum finding_status s, const char *fmt, ...)
{
        size_t len = strlen(f->text);
        va_list ap;

        if (s > f->status)
                f->status = s;
        if (len > 0 && len + 2 < sizeof(f->text))
                len += (size_t)snprintf(f->text + len, sizeof(f->text) - len, "; ");
        va_start(ap, fmt);
        vsnprintf(f->text + len, sizeof(f->text) - len, fmt, ap);
        va_end(ap);
}

void finding_fix(struct finding *f, const char *fmt, ...)
{
        va_list ap;

        if (f->fix[0])
                return;
        va_start(ap, fmt);
        vsnprintf(f->fix, sizeof(f->fix), fmt, ap);
        va_end(ap);
}

const char *finding_join(const struct strings *list, char *buf, size_t size)
{
        size_t at = 0;

        buf[0] = '\0';
        for (size_t i = 0; i < list->n && at < size; i++)
                at += (size_t)snprintf(buf + at, size - at, "%s%s", i ? ", " : "", list->v[i]);
        return buf;
}

/* Whether WORD is one of TEXT, which may be NULL. */
static bool has_word(const char *text, const char *word)
{
        size_t len = strlen(word);

        for (const char *at = text; at && *at; at += strspn(at, " ,")) {
                size_t n = strcspn(at, " ,");

                if (n == len && strncmp(at, word, n) == 0)
                        return true;
                at += n;
        }
        return false;
}

/* Those of WORDS, which end with NULL, that TEXT has not: " a b". */
static const char *missing(const char *text, const char *const words[], char *buf, size_t size)
{
        size_t at = 0;

        buf[0] = '\0';
        for (; *words && at < size; words++)
                if (!has_word(text, *words))
                        at += (size_t)snprintf(buf + at, size - at, "%s%s", at ? " " : "", *words);
        return buf;
}

static const char *const controllers[] = { "cpu", "memory", "pids", "io", "cpuset", NULL };

/* ---- the kernel -------------------------------------------------------------------------- */

static void judge_kernel(const struct doctor *d, enum engine_kind kind, struct finding *f)
{
        char list[400];

        (void)kind;
        if (d->host_error) {
                finding_say(f, FINDING_FAIL, "%s", d->host_error);
                finding_fix(f, "kenro needs Linux 5.15 or newer, and a whole procfs at /proc");
                return;
        }
        finding_say(f, FINDING_OK, "Linux %s", d->survey->release ? d->survey->release : "?");
        if (d->survey->no_calls.n > 0) {
                finding_say(f, FINDING_FAIL, "calls that it does not have: %s",
                            finding_join(&d->survey->no_calls, list, sizeof(list)));
                finding_fix(
                        f,
                        "a kernel that is built with them; in a container its seccomp filter has to "
                        "allow them");
        }
        if (d->survey->no_namespaces.n > 0) {
                finding_say(f, FINDING_FAIL, "namespaces that it does not have: %s",
                            finding_join(&d->survey->no_namespaces, list, sizeof(list)));
                finding_fix(f, "boot a kernel that is built with all kinds of namespaces");
        }
}

static void judge_caller(const struct doctor *d, enum engine_kind kind, struct finding *f)
{
        const char *what = "root";

        (void)kind;
        if (d->in->uid != 0)
                what = "an ordinary user";
        else if (d->host_error)
                what = "root, of whatever";
        else if (!d->host->all_ids)
                what = "root of a user namespace";
        else if (d->host->rootless)
                what = "root without the power over the host";
        finding_say(f, FINDING_INFO, "%s, uid %u%s%s", what, d->in->uid,
                    d->survey->user ? ", " : "", d->survey->user ? d->survey->user : "");
}

static void judge_seccomp(const struct doctor *d, enum engine_kind kind, struct finding *f)
{
        static const char *const wanted[] = {
                "allow", "errno", "kill_process", "log", "trap", NULL
        };
        char list[200];

        (void)kind;
        if (!d->survey->seccomp) {
                finding_say(f, FINDING_FAIL, "the kernel has no seccomp filters");
                finding_fix(f, "boot a kernel that is built with CONFIG_SECCOMP_FILTER");
                return;
        }
        finding_say(f, FINDING_OK, "actions: %s", d->survey->seccomp);
        if (*missing(d->survey->seccomp, wanted, list, sizeof(list))) {
                finding_say(f, FINDING_FAIL, "missing: %s", list);
                finding_fix(f, "boot a newer kernel");
        } else if (!has_word(d->survey->seccomp, "user_notif")) {
                finding_say(f, FINDING_WARN, "no agents: user_notif is missing");
                finding_fix(f,
                            "boot a kernel that has it, if profiles with SCMP_ACT_NOTIFY are used");
        }
}

static void judge_lsm(const struct doctor *d, enum engine_kind kind, struct finding *f)
{
        const struct survey *s = d->survey;

        (void)kind;
        if (s->apparmor)
                finding_say(f, FINDING_OK, "AppArmor is enabled");
        if (s->selinux)
                finding_say(f, FINDING_OK, "SELinux is enabled, %s",
                            s->enforcing ? "enforcing" : "permissive");
        if (!s->apparmor && !s->selinux)
                finding_say(f, FINDING_INFO,
                            "neither AppArmor nor SELinux is enabled: "
                            "containers that ask for a label fail");
}

/* ---- cgroups and systemd ------------------------------------------------------------------ */

static void judge_cgroup(const struct doctor *d, enum engine_kind kind, struct finding *f)
{
        (void)kind;
        if (!d->in->cgroup) {
                finding_say(f, FINDING_FAIL, "no cgroup2 file system is mounted");
                finding_fix(f, "mount -t cgroup2 none /sys/fs/cgroup, or boot with "
                               "systemd.unified_cgroup_hierarchy=1");
                return;
        }
        finding_say(f, FINDING_OK, "cgroup2 at %s, %s; own group %s", d->in->cgroup,
                    *d->survey->v1 ? "beside version 1 (hybrid)" : "alone (pure)",
                    d->in->group && *d->in->group ? d->in->group : "unknown");
}

static void judge_controllers(const struct doctor *d, enum engine_kind kind, struct finding *f)
{
        const struct survey *s = d->survey;
        char list[200];

        (void)kind;
        if (!d->in->cgroup) {
                finding_say(f, FINDING_INFO, "there is no cgroup2 tree");
                return;
        }
        finding_say(f, FINDING_OK, "%s",
                    s->controllers && *s->controllers ? s->controllers : "none");
        if (s->enabled && s->controllers && strcmp(s->enabled, s->controllers) != 0)
                finding_say(f, FINDING_OK, "below the root: %s",
                            *s->enabled ? s->enabled : "none yet");
        if (!*missing(s->controllers, controllers, list, sizeof(list)))
                return;
        finding_say(f, FINDING_WARN, "missing: %s", list);
        if (*s->v1) {
                finding_say(f, FINDING_WARN, "version 1 has %s", s->v1);
                finding_fix(
                        f,
                        "boot with systemd.unified_cgroup_hierarchy=1 (or unmount version 1): limits "
                        "that need a missing controller are refused");
        }
        finding_fix(
                f,
                "boot a kernel that has them, without cgroup_disable=: limits that need a missing "
                "controller are refused");
}

static void judge_delegation(const struct doctor *d, enum engine_kind kind, struct finding *f)
{
        const struct survey_group *own = &d->survey->own, *manager = &d->survey->manager, *g;
        const char *wanted[sizeof(controllers) / sizeof(controllers[0])] = { NULL };
        char list[200];
        size_t n = 0;

        (void)kind;
        if (!d->host->rootless) {
                finding_say(f, FINDING_INFO, "the whole tree is root's");
                return;
        }
        g = own->controllers && own->ours ? own : manager;
        if (!g->controllers || !g->ours) {
                finding_say(f, FINDING_WARN, "no group is delegated to this user: no limits");
                finding_fix(
                        f,
                        "log in by systemd, which starts user@%u.service, or start kenro in a group "
                        "of its own: systemd-run --user --scope -p Delegate=yes",
                        d->in->uid);
                return;
        }
        finding_say(f, FINDING_OK, "%s: %s",
                    g == own ? "the own group is delegated" : "user@.service is delegated",
                    *g->controllers ? g->controllers : "no controllers");
        /* What the host does not have at all is not for the user's group to be told of. */
        for (size_t i = 0; controllers[i]; i++)
                if (has_word(d->survey->controllers, controllers[i]))
                        wanted[n++] = controllers[i];
        if (*missing(g->controllers, wanted, list, sizeof(list))) {
                finding_say(f, FINDING_WARN, "missing: %s", list);
                finding_fix(f, "in /etc/systemd/system/user@.service.d/delegate.conf: [Service] "
                               "Delegate=cpu cpuset io memory pids");
        }
}

static void judge_systemd(const struct doctor *d, enum engine_kind kind, struct finding *f)
{
        const struct survey *s = d->survey;

        (void)kind;
        if (!s->systemd) {
                finding_say(f, FINDING_INFO,
                            "not the init of this host: the cgroup manager is cgroupfs");
                return;
        }
        if (d->in->uid == 0 && !s->system_bus) {
                finding_say(f, FINDING_WARN, "its bus is not there");
                finding_fix(f, "systemctl start dbus.socket");
        } else if (d->in->uid != 0 && !s->user_bus) {
                finding_say(f, FINDING_WARN, "this user's manager is not reached");
                finding_fix(f, "log in by systemd, so that XDG_RUNTIME_DIR has a bus; or loginctl "
                               "enable-linger");
        } else {
                finding_say(f, FINDING_OK, "it is the init, and its bus is there");
        }
        if (!s->helper) {
                finding_say(f, FINDING_WARN,
                            "the cgroup manager systemd needs %s, which is missing", d->in->helper);
                finding_fix(
                        f, "install it with kenro, or let engines use the cgroup manager cgroupfs");
        }
}

/* ---- ids ---------------------------------------------------------------------------------- */

static void judge_userns(const struct doctor *d, enum engine_kind kind, struct finding *f)
{
        const struct survey *s = d->survey;
        enum finding_status users = d->host->rootless ? FINDING_FAIL : FINDING_WARN;

        (void)kind;
        if (s->max_user_namespaces == 0) {
                finding_say(f, users, "user.max_user_namespaces is 0: none can be made");
                finding_fix(f, "sysctl -w user.max_user_namespaces=15000");
                return;
        }
        if (s->max_user_namespaces > 0)
                finding_say(f, FINDING_OK, "at most %ld", s->max_user_namespaces);
        else
                finding_say(f, FINDING_OK, "no limit is known");
        if (s->users_may_unshare == 0) {
                finding_say(f, users,
                            "not for ordinary users: kernel.unprivileged_userns_clone is 0");
                finding_fix(f, "sysctl -w kernel.unprivileged_userns_clone=1, if users are to run "
                               "containers");
        }
        if (s->apparmor_restricts == 1 && s->apparmor) {
                finding_say(f, d->host->rootless ? FINDING_WARN : FINDING_OK,
                            "AppArmor lets ordinary users have them by profile only");
                if (d->host->rootless)
                        finding_fix(
                                f,
                                "load an AppArmor profile with the rule \"userns,\" for kenro, or "
                                "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
        }
}

static void judge_subids(const struct doctor *d, enum engine_kind kind, struct finding *f)
{
        const struct survey *s = d->survey;
        const char *user = s->user ? s->user : "";

        (void)kind;
        if (d->in->uid == 0) {
                finding_say(f, FINDING_INFO, "root needs none");
                return;
        }
        if (s->subuids == 0 || s->subgids == 0) {
                finding_say(f, FINDING_WARN,
                            "no ids in /etc/sub%cid: one id can be mapped, the own one",
                            s->subuids == 0 ? 'u' : 'g');
                finding_fix(f, "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s",
                            user);
        } else {
                finding_say(f, FINDING_OK, "%llu users and %llu groups",
                            (unsigned long long)s->subuids, (unsigned long long)s->subgids);
        }
        if (!s->newuidmap || !s->newgidmap) {
                finding_say(f, FINDING_WARN, "new%cidmap is missing, or not privileged",
                            s->newuidmap ? 'g' : 'u');
                finding_fix(f, "install the package uidmap");
        }
}

/* ---- kenro's own -------------------------------------------------------------------------- */

static void judge_state(const struct doctor *d, enum engine_kind kind, struct finding *f)
{
        const struct survey_state *s = &d->survey->state;

        (void)kind;
        finding_say(f, FINDING_OK, "%s", d->in->state);
        if (s->weak) {
                finding_say(f, FINDING_FAIL, "others may rename what is in %s", s->weak);
                finding_fix(f, "chown root %s && chmod go-w %s, or use --root", s->weak, s->weak);
        }
        if (!s->there && !s->can_be_made) {
                finding_say(f, FINDING_FAIL, "is not there, and this user cannot make it");
                finding_fix(f, "set XDG_RUNTIME_DIR to a directory of one's own, or use --root");
        } else if (!s->there) {
                finding_say(f, FINDING_OK, "will be made by the first container");
        } else if (!s->directory) {
                finding_say(f, FINDING_FAIL, "is no directory");
                finding_fix(f, "remove it");
        } else if (s->uid != d->in->uid) {
                finding_say(f, FINDING_FAIL, "belongs to uid %u", s->uid);
                finding_fix(f, "chown it to uid %u, or use another --root", d->in->uid);
        } else if (s->mode & 022) {
                finding_say(f, FINDING_FAIL, "mode %04o: others may write", s->mode);
                finding_fix(f, "chmod 0700 %s", d->in->state);
        } else if (!s->tmpfs) {
                finding_say(f, FINDING_WARN,
                            "mode %04o, on no tmpfs: what is recorded there outlives a reboot",
                            s->mode);
                finding_fix(f, "mount a tmpfs at /run, or use a --root on one");
        } else {
                finding_say(f, FINDING_OK, "mode %04o, on a tmpfs", s->mode);
        }
}

/* clang-format off */
const struct doctor_check doctor_checks[] = {
        { "kernel", judge_kernel },
        { "caller", judge_caller },
        { "cgroup", judge_cgroup },
        { "controllers", judge_controllers },
        { "delegation", judge_delegation },
        { "systemd", judge_systemd },
        { "lsm", judge_lsm },
        { "seccomp", judge_seccomp },
        { "userns", judge_userns },
        { "subids", judge_subids },
        { "state", judge_state },
        { "podman", judge_engine, ENGINE_PODMAN },
        { "buildah", judge_engine, ENGINE_BUILDAH },
        { "docker", judge_engine, ENGINE_DOCKER },
        { "containerd", judge_engine, ENGINE_CONTAINERD },
        { "crio", judge_engine, ENGINE_CRIO },
        { "runtimes", judge_runtimes },
        { 0 },
};
/* clang-format on */

void doctor_judge(const struct doctor *d, const struct doctor_check *c, struct finding *ret)
{
        *ret = (struct finding){ .status = FINDING_OK };
        if (d->survey->blind && c->judge != judge_kernel && c->judge != judge_caller)
                finding_say(ret, FINDING_INFO, "cannot be told without a procfs");
        else
                c->judge(d, c->kind, ret);
        /* There is a finding or two that files of others have put the words of. */
        log_clean(ret->text);
        log_clean(ret->fix);
}
