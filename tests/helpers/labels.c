/* labels [FILE...]: SELinux's labels of the session keyring and of FILEs, a line
 * each. */
#include <errno.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { LABEL_MAX = 256 };

int main(int argc, char **argv)
{
        char label[LABEL_MAX] = "";
        long n = syscall(SYS_keyctl, KEYCTL_GET_SECURITY, KEY_SPEC_SESSION_KEYRING, label,
                         sizeof(label) - 1, 0);

        printf("keyring %s\n", n < 0 ? strerror(errno) : label);
        for (int i = 1; i < argc; i++) {
                memset(label, 0, sizeof(label));
                n = getxattr(argv[i], "security.selinux", label, sizeof(label) - 1);
                printf("%s %s\n", argv[i], n < 0 ? strerror(errno) : label);
        }
        return 0;
}
