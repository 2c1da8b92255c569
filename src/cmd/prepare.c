#include "kenro/cmd/prepare.h"

#include "kenro/base/log.h"
#include "kenro/base/path.h"
#include "kenro/cmd/inherit.h"
#include "kenro/policy/fill.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int open_bundle(struct cli *c, struct prepared *p, struct err *e)
{
        const struct create_options *o = c->options;
        const char *bundle = o->bundle ? o->bundle : ".";
        char here[PATH_MAX] = "", joined[2 * PATH_MAX], clean[PATH_MAX];

        p->bundle_fd = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (p->bundle_fd < 0)
                return err_sys(e, errno, "cannot open the bundle %s", bundle);
        if (bundle[0] != '/' && !getcwd(here, sizeof(here)))
                return err_sys(e, errno, "cannot tell the working directory");
        snprintf(joined, sizeof(joined), "%s/%s", here, bundle);
        if (path_clean(joined, clean, sizeof(clean), e) < 0)
                return err_in(e, "bundle");
        p->bundle = arena_strndup(c->arena, clean, strlen(clean), e);
        return p->bundle ? 0 : -1;
}

static bool is_manager(const struct cli *c, const char *name)
{
        return c->global.cgroup_manager && strcmp(c->global.cgroup_manager, name) == 0;
}

static bool wants_systemd(const struct cli *c)
{
        return c->global.cgroup_manager ? is_manager(c, "systemd") : c->global.systemd_cgroup;
}

/* What callers may ask for and cannot have is an error, not ignored. */
static int check_options(const struct cli *c, struct err *e)
{
        const struct create_options *o = c->options;

        if (o->no_pivot) {
                err_set(e,
                        "--no-pivot is refused: without pivot_root the host's mounts stay in reach");
                return err_hint(e, "put the root file system on something else than an initramfs");
        }
        return 0;
}

/* A mount namespace that exists already is not changed: no socket can be put in it. */
static int inherit(struct cli *c, struct prepared *p, struct err *e)
{
        const struct spec_namespace *ns = spec_namespace(&p->file.spec, CLONE_NEWNS);

        p->notifies = inherit_notify_socket() && p->file.spec.process && ns && !ns->path;
        return inherit_environment(&p->file.spec, c->listen_fds, p->notifies, c->arena, e);
}

int prepare(struct cli *c, const char *id, struct prepared *ret, struct err *e)
{
        const struct create_options *o = c->options;
        struct prepared p = { .bundle_fd = -1 };
        struct plan_input in = { .id = id, .preserve_fds = o->preserve_fds + c->listen_fds };
        struct plan *plan = ARENA_NEW(c->arena, struct plan, 1, e);

        if (!plan || check_options(c, e) < 0 || open_bundle(c, &p, e) < 0)
                return -1;
        if (spec_load(p.bundle_fd, "config.json", true, c->arena, &p.file, e) < 0 ||
            fill_spec(&p.file.spec, c->arena, e) < 0 || inherit(c, &p, e) < 0 ||
            cmd_probe_all(c, &p.facts, e) < 0)
                return -1;
        if (p.file.spec.linux_->intel_rdt && host_resctrl(&p.facts.host, c->arena, e) < 0)
                return -1;
        in.bundle = p.bundle;
        in.bundle_fd = p.bundle_fd;
        in.spec = &p.file.spec;
        in.host = &p.facts.host;
        in.no_cgroup = is_manager(c, "disabled");
        in.systemd = wants_systemd(c);
        in.bfq = in.systemd &&
                 faccessat(p.facts.cgroup.fd, "system.slice/io.bfq.weight", F_OK, 0) == 0;
        if (plan_build(&in, c->arena, c->scratch, plan, e) < 0)
                return json_place(&p.file.src, e);
        if (in.systemd && systemd_is_installed(e) < 0)
                return -1;
        log_debug("bundle %s: %zu mounts, %zu instructions of seccomp, cgroup %s", p.bundle,
                  plan->mount.n, plan->process.seccomp.n,
                  plan->systemd.wanted ? plan->systemd.path : plan->cgroup.path);
        p.plan = plan;
        *ret = p;
        /* From here on a changed plan is a crash, not a surprise. */
        return arena_seal(c->arena, e);
}
