#include "kenro/part/keyring.h"

#include "kenro/base/sys.h"

#include <linux/keyctl.h>
#include <stdbool.h>

/* The kernel itself never says EPERM to these, and ENOSYS only without keys. */
static bool is_denied(int r)
{
        return r == -EPERM || r == -ENOSYS;
}

/* By arguments that the kernel refuses in other words. */
static bool denies_all_keys(void)
{
        return is_denied(sys_keyctl(-1, 0)) &&
               is_denied(SYS_RESULT(syscall(SYS_add_key, NULL, NULL, NULL, 0, 0))) &&
               is_denied(SYS_RESULT(syscall(SYS_request_key, NULL, NULL, NULL, 0)));
}

int keyring_child(struct err *e)
{
        int r = sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0);

        if (r == -EDQUOT) {
                err_sys(e, EDQUOT, "cannot make a session keyring");
                return err_hint(e, "raise kernel.keys.root_maxkeys or kernel.keys.maxkeys");
        }
        if (r >= 0 || r == -ENOSYS || (is_denied(r) && denies_all_keys()))
                return 0;
        err_sys(e, -r, "cannot make a session keyring");
        return err_hint(e, "--no-new-keyring keeps the caller's");
}
