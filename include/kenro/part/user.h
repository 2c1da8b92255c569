/* The process's ids, groups and umask: credentials(7). */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

struct user_plan {
        uint32_t uid, gid;
        const uint32_t *groups; /* exactly additionalGids: none of the caller's survive */
        size_t n_groups;
        uint32_t umask;
        bool keep_groups; /* the caller's stay, and nothing is set; or setgroups(2) is denied */
};

enum { USER_GROUPS_MAX = 65536, USER_UMASK_DEFAULT = 0022 };

/* Ids are the container's. MAPS, the mappings of its own user namespace, may be
 * empty: there is none, or it was made elsewhere. */
int user_plan(const struct spec_process *p, const struct id_mappings *uids,
              const struct id_mappings *gids, struct user_plan *ret, struct err *e);

/* P for a user namespace in which setgroups(2) is denied: only the gid itself can be
 * among the groups. What groups the caller has stay, seen as nobody's. */
int user_plan_no_setgroups(struct user_plan *p, struct err *e);

/* Groups, gid, uid, in the only order that works; then the umask. */
int user_child(const struct user_plan *p, struct err *e);

/* Read everything back and compare. */
int user_child_check(const struct user_plan *p, struct err *e);
