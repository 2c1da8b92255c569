#include "kenro/run/image.h"

#include "kenro/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* Nobody has it mapped for writing, so FUTURE_WRITE (Linux 5.1) forbids as much as
 * WRITE does, and does not fail when something else holds a page for a moment. */
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE)

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* Linux 6.3 */
#endif

static int copy(int from, int to, struct err *e)
{
        struct stat st;
        off_t done = 0;

        if (fstat(from, &st) < 0)
                return err_sys(e, errno, "cannot stat the runtime's image");
        while (done < st.st_size) {
                ssize_t n = sendfile(to, from, NULL, (size_t)(st.st_size - done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return err_sys(e, n < 0 ? errno : EIO, "cannot copy the runtime's image");
                done += n;
        }
        return 0;
}

int image_seal(char **argv, struct err *e)
{
        autoclose int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        autoclose int memory = -1;
        int seals;

        if (self < 0)
                return err_sys(e, errno, "cannot open the runtime's image");
        seals = fcntl(self, F_GET_SEALS);
        if (seals >= 0 && (seals & SEALS) == SEALS)
                return 0;
        memory = memfd_create("kenro", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
        if (memory < 0 && errno == EINVAL)
                memory = memfd_create("kenro", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (memory < 0)
                return err_sys(e, errno, "cannot make memory for the runtime's image");
        if (copy(self, memory, e) < 0)
                return -1;
        if (fcntl(memory, F_ADD_SEALS, SEALS) < 0)
                return err_sys(e, errno, "cannot seal the runtime's image");
        fexecve(memory, argv, environ);
        return err_sys(e, errno, "cannot execute the sealed image");
}
