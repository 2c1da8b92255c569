#include "kenro/part/numa.h"

#include "kenro/base/sys.h"
#include "kenro/spec/spec_fields.h"

#include <linux/mempolicy.h>

/* Newer than the oldest headers: Linux 5.15 and 6.9. */
enum { PREFERRED_MANY = 5, WEIGHTED_INTERLEAVE = 6, MODE_BITS = 0xff };

static const struct {
        int mode;
        enum { NONE, SOME, MAY } nodes;
} modes[] = {
        { MPOL_DEFAULT, NONE },        { MPOL_LOCAL, NONE }, { MPOL_PREFERRED, MAY },
        { PREFERRED_MANY, SOME },      { MPOL_BIND, SOME },  { MPOL_INTERLEAVE, SOME },
        { WEIGHTED_INTERLEAVE, SOME },
};

static int check_nodes(int mode, bool given, struct err *e)
{
        const char *name = name_of(spec_memory_mode_names, (uint64_t)mode);

        for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
                if (modes[i].mode != mode)
                        continue;
                if (modes[i].nodes == NONE && given)
                        return err_set(e, "linux.memoryPolicy.nodes: %s takes none", name);
                if (modes[i].nodes == SOME && !given)
                        return err_set(e, "linux.memoryPolicy.nodes: %s needs some", name);
        }
        return 0;
}

static int check_flags(int mode, unsigned flags, bool nodes, struct err *e)
{
        const unsigned both = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES;

        if ((flags & both) == both)
                return err_set(e, "linux.memoryPolicy.flags: MPOL_F_STATIC_NODES and "
                                  "MPOL_F_RELATIVE_NODES exclude each other");
        if (flags & both && !nodes)
                return err_set(e,
                               "linux.memoryPolicy.flags: %s says how nodes are meant, and "
                               "there are none",
                               flags & MPOL_F_STATIC_NODES ? "MPOL_F_STATIC_NODES"
                                                           : "MPOL_F_RELATIVE_NODES");
        if (flags & MPOL_F_NUMA_BALANCING && mode != MPOL_BIND && mode != PREFERRED_MANY)
                return err_set(e, "linux.memoryPolicy.flags: MPOL_F_NUMA_BALANCING is for "
                                  "MPOL_BIND and MPOL_PREFERRED_MANY");
        return 0;
}

int numa_plan(const struct spec_memory_policy *p, struct numa_plan *ret, struct err *e)
{
        struct numa_plan r = { .wanted = p != NULL };
        unsigned flags = 0;
        bool nodes;

        if (!p) {
                *ret = r;
                return 0;
        }
        nodes = p->nodes && *p->nodes;
        for (size_t i = 0; i < p->flags.n; i++)
                flags |= (unsigned)p->flags.v[i];
        if (check_nodes((int)p->mode.v, nodes, e) < 0 ||
            check_flags((int)p->mode.v, flags, nodes, e) < 0)
                return -1;
        if (nodes && bits_parse(p->nodes, &r.nodes, e) < 0)
                return err_in(e, "linux.memoryPolicy.nodes");
        r.mode = (int)((unsigned)p->mode.v | flags);
        *ret = r;
        return 0;
}

int numa_child(const struct numa_plan *p, struct err *e)
{
        int r;

        if (!p->wanted)
                return 0;
        /* The kernel takes one bit less than it is told. */
        r = sys_set_mempolicy(p->mode, p->nodes.v, bits_is_empty(&p->nodes) ? 0 : BITS_MAX + 1);
        if (r < 0)
                err_sys(e, -r, "linux.memoryPolicy: cannot be set");
        if (r == -EINVAL && (p->mode & MODE_BITS) == WEIGHTED_INTERLEAVE)
                return err_hint(e, "a node that is not there or not allowed, or a kernel before "
                                   "Linux 6.9, with which MPOL_WEIGHTED_INTERLEAVE came");
        if (r == -EINVAL)
                return err_hint(e, "a node that is not there or not allowed, or a mode newer "
                                   "than the kernel");
        return r < 0 ? -1 : 0;
}

int numa_child_check(const struct numa_plan *p, struct err *e)
{
        int mode = 0, r;

        if (!p->wanted)
                return 0;
        r = sys_get_mempolicy(&mode);
        if (r < 0)
                return err_sys(e, -r, "read-back: cannot read the memory policy");
        /* "Preferred" without nodes is "local" by another name. */
        if (mode != p->mode && !(p->mode == MPOL_PREFERRED && mode == MPOL_LOCAL))
                return err_set(e, "read-back: the memory policy is %#x, planned %#x",
                               (unsigned)mode, (unsigned)p->mode);
        return 0;
}
