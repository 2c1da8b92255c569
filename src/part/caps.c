#include "kenro/part/caps.h"

#include "kenro/base/log.h"
#include "kenro/base/sys.h"

#include <ctype.h>
#include <errno.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>

#define ADMIN (1ull << CAP_SYS_ADMIN)

/* Every way to gain a capability by being or becoming root, closed for good. */
#define SECURE_LOCKED                                                                              \
        (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |                           \
         SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |   \
         SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

uint64_t caps_bit(const char *name, bool lax)
{
        char lower[40] = "cap_";
        size_t at = 0;
        cap_value_t value;

        if (strncmp(name, "CAP_", 4) != 0 && (!lax || strncasecmp(name, "cap_", 4) != 0)) {
                if (!lax)
                        return 0;
                at = 4;
        }
        if (strlen(name) + at >= sizeof(lower))
                return 0;
        for (; *name; name++) {
                if ((!lax && islower((unsigned char)*name)) ||
                    (!isalpha((unsigned char)*name) && *name != '_'))
                        return 0; /* libcap reads as far as it understands */
                lower[at++] = (char)tolower((unsigned char)*name);
        }
        lower[at] = '\0';
        if (cap_from_name(lower, &value) < 0 || value < 0 || value > 63)
                return 0;
        return 1ull << value;
}

#define UNKNOWN (1ull << 63) /* no capability has this number yet */

/* WARNED keeps one name from being told for each set that has it. */
static uint64_t parse(const struct strings *names, const char *set, uint64_t grantable,
                      uint64_t *warned)
{
        uint64_t bits = 0;

        for (size_t i = 0; i < names->n; i++) {
                uint64_t bit = caps_bit(names->v[i], false);

                if (bit & grantable)
                        bits |= bit;
                else if (!(*warned & (bit ? bit : UNKNOWN)))
                        log_warn("process.capabilities.%s[%zu]: '%.40s' %s", set, i, names->v[i],
                                 bit ? "cannot be granted here" : "is no capability known here");
                if (!(bit & grantable))
                        *warned |= bit ? bit : UNKNOWN;
        }
        return bits;
}

int caps_plan(const struct spec_process *p, const struct host *h, bool own_user,
              struct caps_plan *ret, struct err *e)
{
        static const struct spec_capabilities none;
        const struct spec_capabilities *c = p->capabilities ? p->capabilities : &none;
        uint64_t all = h->cap_last >= 63 ? UINT64_MAX : (1ull << (h->cap_last + 1)) - 1;
        uint64_t held = own_user ? all : h->cap_permitted;
        uint64_t bounding = own_user ? all : h->cap_bounding;
        struct caps_plan r = { .no_new_privs = p->no_new_privileges };
        uint64_t warned = 0;

        (void)e;
        r.bounding = parse(&c->bounding, "bounding", bounding, &warned);
        r.permitted = parse(&c->permitted, "permitted", held, &warned);
        r.effective = parse(&c->effective, "effective", r.permitted, &warned);
        r.ambient = parse(&c->ambient, "ambient",
                          r.permitted & parse(&c->inheritable, "inheritable", UINT64_MAX, &warned),
                          &warned);
        /* An inheritable capability without its ambient twin only arms files
         * that carry it: CVE-2022-24769 and its siblings. */
        r.inheritable = r.ambient;
        r.drop = bounding & ~r.bounding;
        if (r.bounding == 0)
                r.securebits = SECURE_LOCKED;
        *ret = r;
        return 0;
}

static int set_caps(uint64_t permitted, uint64_t effective, uint64_t inheritable, struct err *e)
{
        struct __user_cap_data_struct data[2] = {
                { .permitted = (uint32_t)permitted,
                  .effective = (uint32_t)effective,
                  .inheritable = (uint32_t)inheritable },
                { .permitted = (uint32_t)(permitted >> 32),
                  .effective = (uint32_t)(effective >> 32),
                  .inheritable = (uint32_t)(inheritable >> 32) },
        };
        int r = sys_capset(data);

        return r < 0 ? err_sys(e, -r, "cannot set the capabilities") : 0;
}

int caps_child_before(const struct caps_plan *p, struct err *e)
{
        for (unsigned cap = 0; p->drop >> cap; cap++) {
                if (!(p->drop >> cap & 1))
                        continue;
                if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
                        return err_sys(e, errno, "cannot drop capability %u", cap);
        }
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
                return err_sys(e, errno, "cannot keep the capabilities");
        if (p->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return err_sys(e, errno, "cannot set no_new_privs");
        return 0;
}

int caps_child_after(const struct caps_plan *p, struct err *e)
{
        struct __user_cap_data_struct now[2];
        uint64_t permitted, extra = p->keep_admin ? ADMIN : 0;
        int r = sys_capget(now);

        if (r < 0)
                return err_sys(e, -r, "cannot read the capabilities");
        /* The change of ids has emptied the effective set. */
        permitted = now[0].permitted | (uint64_t)now[1].permitted << 32;
        if (set_caps(permitted, permitted, 0, e) < 0)
                return -1;
        if (prctl(PR_SET_SECUREBITS, p->securebits, 0, 0, 0) < 0)
                return err_sys(e, errno, "cannot set the securebits");
        if (set_caps(p->permitted | extra, p->effective | extra, p->inheritable, e) < 0)
                return -1;
        for (unsigned cap = 0; p->ambient >> cap; cap++)
                if (p->ambient >> cap & 1 &&
                    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
                        return err_sys(e, errno, "cannot raise ambient capability %u", cap);
        return 0;
}

int caps_child_last(const struct caps_plan *p, struct err *e)
{
        if (!p->keep_admin)
                return 0;
        return set_caps(p->permitted, p->effective, p->inheritable, e);
}

static int differs(const char *what, uint64_t is, uint64_t planned, struct err *e)
{
        if (is == planned)
                return 0;
        return err_set(e, "read-back: %s is %#llx, planned %#llx", what, (unsigned long long)is,
                       (unsigned long long)planned);
}

int caps_child_check(const struct caps_plan *p, struct err *e)
{
        struct __user_cap_data_struct d[2];
        uint64_t bounding = 0, ambient = 0;
        int r = sys_capget(d);

        if (r < 0)
                return err_sys(e, -r, "read-back: cannot read the capabilities");
        for (unsigned cap = 0; cap < 64; cap++) {
                r = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
                if (r < 0)
                        break;
                bounding |= (uint64_t)(r > 0) << cap;
                if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0) > 0)
                        ambient |= 1ull << cap;
        }
        if (differs("CapPrm", d[0].permitted | (uint64_t)d[1].permitted << 32, p->permitted, e) ||
            differs("CapEff", d[0].effective | (uint64_t)d[1].effective << 32, p->effective, e) ||
            differs("CapInh", d[0].inheritable | (uint64_t)d[1].inheritable << 32, p->inheritable,
                    e) ||
            differs("CapBnd", bounding, p->bounding, e) ||
            differs("CapAmb", ambient, p->ambient, e))
                return -1;
        if (differs("NoNewPrivs", (uint64_t)prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), p->no_new_privs,
                    e))
                return -1;
        return differs("securebits", (uint64_t)prctl(PR_GET_SECUREBITS, 0, 0, 0, 0), p->securebits,
                       e);
}
