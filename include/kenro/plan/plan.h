/* Everything that will be done, every decision taken: the plans of all parts.
 *
 * What can fail because of the configuration fails while a plan is built, and
 * nothing has been changed then. Afterwards it is sealed, and both processes of
 * a create only read it. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/part/affinity.h"
#include "kenro/part/caps.h"
#include "kenro/part/cgroup.h"
#include "kenro/part/cgroup_delegate.h"
#include "kenro/part/cgroup_device.h"
#include "kenro/part/cgroup_limit.h"
#include "kenro/part/console.h"
#include "kenro/part/device.h"
#include "kenro/part/hook.h"
#include "kenro/part/idmap.h"
#include "kenro/part/ioprio.h"
#include "kenro/part/lsm.h"
#include "kenro/part/mask.h"
#include "kenro/part/mount.h"
#include "kenro/part/namespace.h"
#include "kenro/part/netdev.h"
#include "kenro/part/numa.h"
#include "kenro/part/oom.h"
#include "kenro/part/personality.h"
#include "kenro/part/program.h"
#include "kenro/part/resctrl.h"
#include "kenro/part/rlimit.h"
#include "kenro/part/rootfs.h"
#include "kenro/part/sched.h"
#include "kenro/part/seccomp.h"
#include "kenro/part/sysctl.h"
#include "kenro/part/systemd.h"
#include "kenro/part/user.h"
#include "kenro/part/uts.h"
#include "kenro/spec/spec.h"

enum { PLAN_BYTES_MAX = 64 << 20 };

/* What a create and an exec have in common. */
struct process_plan {
        struct caps_plan caps;
        struct user_plan user;
        struct rlimit_plan rlimit;
        struct oom_plan oom;
        struct lsm_plan lsm;
        struct sched_plan sched;
        struct ioprio_plan ioprio;
        struct affinity_plan affinity;
        struct personality_plan personality;
        struct numa_plan numa;
        struct console_plan console;
        struct program_plan program;
        struct seccomp_plan seccomp;
        unsigned preserve_fds;
        bool stdio_owner;   /* pipes on 0, 1, 2 are given to stdio_uid */
        uint32_t stdio_uid; /* the host's id of the process's user */
};

struct plan {
        struct process_plan process;
        struct namespace_plan ns;
        struct netdev_plan netdev;
        struct idmap_plan idmap;
        struct uts_plan uts;
        struct sysctl_plan sysctl;
        struct rootfs_plan rootfs;
        struct mount_plan mount;
        struct mask_plan mask;
        struct device_plan device;
        struct cgroup_plan cgroup;
        struct systemd_plan systemd;                /* in its place */
        struct cgroup_limit_plan cgroup_limit_late; /* when init is alone in the scope */
        struct cgroup_device_plan cgroup_device;
        struct cgroup_delegate_plan cgroup_delegate;
        struct cgroup_limit_plan cgroup_limit;
        struct hook_plan hook;
        struct tree_list later; /* what the child clones, for want of privileges */
        bool loopback;          /* the network namespace is new */
        bool procfs;            /* of a joined pid namespace */
        bool stash;             /* masks, nodes, /dev or procfs need the runtime's own tmpfs */
        bool no_setgroups;      /* of a joined user namespace */
        bool has_process;       /* process is in the configuration */

        struct resctrl_plan resctrl;
        const char *mount_label; /* of SELinux, or NULL */
};

/* Where a plan comes from. */
struct plan_input {
        const char *id;
        const char *bundle; /* absolute */
        int bundle_fd;
        unsigned preserve_fds;
        bool no_cgroup; /* the container stays in its caller's */
        bool systemd;   /* its group is a unit's */
        bool bfq;       /* weights of input and output are BFQ's */
        const struct spec *spec;
        const struct host *host;
};

/* SCRATCH stays writable when A is sealed. */
int plan_build(const struct plan_input *in, struct arena *a, struct arena *scratch,
               struct plan *ret, struct err *e);

/* The part of an exec. OWN_USER: the container has a user namespace of its own,
 * with the mappings UIDS and GIDS. */
struct process_input {
        const struct spec_process *process;
        const struct spec *container; /* what the process's container was created with */
        const struct id_mappings *uids, *gids;
        const struct host *host;
        bool own_user, no_setgroups;
        bool exec; /* one more process, not the container's first */
        unsigned preserve_fds;
};

/* All but the seccomp filter, which the caller sets. */
int plan_process(const struct process_input *in, struct arena *a, struct arena *scratch,
                 struct process_plan *ret, struct err *e);

/* Whether the filter has to be loaded before the capabilities are dropped, and
 * leaves the calls that are made after that: an error says which one it denies.
 * VISIBLE_CLONE: one more process is forked after the filter is loaded. */
int plan_filter_order(struct process_plan *p, bool visible_clone, struct err *e);
