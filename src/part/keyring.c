#include "kenro/part/keyring.h"

#include "kenro/base/sys.h"

#include <linux/keyctl.h>

int keyring_child(struct err *e)
{
        int r = sys_keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0);

        if (r == -EDQUOT) {
                err_sys(e, EDQUOT, "cannot make a session keyring");
                return err_hint(e, "raise kernel.keys.root_maxkeys or kernel.keys.maxkeys");
        }
        if (r < 0 && r != -ENOSYS)
                return err_sys(e, -r, "cannot make a session keyring");
        return 0;
}
