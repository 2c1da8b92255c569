#include "kenro/part/user.h"

#include "kenro/base/sys.h"
#include "kenro/spec/spec_load.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHECK_GROUPS_MAX = 1024 };

static bool is_mapped(const struct id_mappings *m, uint32_t id)
{
        return spec_map_id(m, id) <= SPEC_ID_MAX;
}

int user_plan(const struct spec_process *p, const struct id_mappings *uids,
              const struct id_mappings *gids, struct user_plan *ret, struct err *e)
{
        static const struct spec_user root;
        const struct spec_user *u = p->user ? p->user : &root;

        if (!is_mapped(uids, u->uid))
                return err_set(e, "process.user.uid: %u is not mapped by linux.uidMappings",
                               u->uid);
        if (!is_mapped(gids, u->gid))
                return err_set(e, "process.user.gid: %u is not mapped by linux.gidMappings",
                               u->gid);
        for (size_t i = 0; i < u->additional_gids.n; i++)
                if (!is_mapped(gids, u->additional_gids.v[i]))
                        return err_set(e,
                                       "process.user.additionalGids[%zu]: %u is not mapped by "
                                       "linux.gidMappings",
                                       i, u->additional_gids.v[i]);
        *ret = (struct user_plan){
                .uid = u->uid,
                .gid = u->gid,
                .groups = u->additional_gids.v,
                .n_groups = u->additional_gids.n,
                .umask = u->umask.set ? (uint32_t)u->umask.v & 0777 : USER_UMASK_DEFAULT,
        };
        return 0;
}

int user_plan_no_setgroups(struct user_plan *p, struct err *e)
{
        for (size_t i = 0; i < p->n_groups; i++) {
                if (p->groups[i] == p->gid)
                        continue; /* the list of engines begins with it */
                err_set(e,
                        "process.user.additionalGids[%zu]: group %u cannot be set where "
                        "setgroups is denied",
                        i, p->groups[i]);
                return err_hint(e, "leave it out, or map more than the own gid, "
                                   "which takes newgidmap and /etc/subgid");
        }
        p->keep_groups = true;
        return 0;
}

int user_child(const struct user_plan *p, struct err *e)
{
        int r = p->keep_groups ? 0 : sys_setgroups(p->n_groups, p->groups);

        if (r < 0)
                return err_sys(e, -r, "cannot set %zu supplementary groups", p->n_groups);
        r = sys_setresgid(p->gid);
        if (r < 0)
                return err_sys(e, -r, "cannot set the gid %u", p->gid);
        r = sys_setresuid(p->uid);
        if (r < 0)
                return err_sys(e, -r, "cannot set the uid %u", p->uid);
        umask((mode_t)p->umask);
        return 0;
}

/* The kernel keeps its list sorted, so compare as multisets. */
static bool same_groups(const gid_t *now, size_t n, const struct user_plan *p)
{
        if (n != p->n_groups)
                return false;
        for (size_t i = 0; i < n; i++) {
                size_t here = 0, planned = 0;

                for (size_t k = 0; k < n; k++) {
                        here += now[k] == now[i];
                        planned += p->groups[k] == now[i];
                }
                if (here != planned)
                        return false;
        }
        return true;
}

int user_child_check(const struct user_plan *p, struct err *e)
{
        uid_t uid[3];
        gid_t gid[3], now[CHECK_GROUPS_MAX];
        int n;

        if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0)
                return err_sys(e, errno, "read-back: cannot read the ids");
        for (int i = 0; i < 3; i++)
                if (uid[i] != p->uid || gid[i] != p->gid)
                        return err_set(e, "read-back: ids are %u:%u, planned %u:%u", uid[i], gid[i],
                                       p->uid, p->gid);
        if (p->keep_groups)
                return 0;
        n = getgroups(0, NULL);
        if (n < 0 || (size_t)n != p->n_groups)
                return err_set(e, "read-back: %d groups, planned %zu", n, p->n_groups);
        if (n > CHECK_GROUPS_MAX)
                return 0; /* as many as were set; the stack has no room for them all */
        n = getgroups(CHECK_GROUPS_MAX, now);
        if (n < 0 || !same_groups(now, (size_t)n, p))
                return err_set(e, "read-back: the groups are not the planned ones");
        return 0;
}
