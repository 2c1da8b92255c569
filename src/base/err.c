#include "kenro/base/err.h"

#include "kenro/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
#define E(x) [x] = #x
static const char *const names[] = {
        E(EPERM), E(ENOENT), E(ESRCH), E(EINTR), E(EIO), E(ENXIO), E(E2BIG), E(ENOEXEC), E(EBADF),
        E(ECHILD), E(EAGAIN), E(ENOMEM), E(EACCES), E(EFAULT), E(ENOTBLK), E(EBUSY), E(EEXIST),
        E(EXDEV), E(ENODEV), E(ENOTDIR), E(EISDIR), E(EINVAL), E(ENFILE), E(EMFILE), E(ENOTTY),
        E(ETXTBSY), E(EFBIG), E(ENOSPC), E(ESPIPE), E(EROFS), E(EMLINK), E(EPIPE), E(EDOM),
        E(ERANGE), E(EDEADLK), E(ENAMETOOLONG), E(ENOSYS), E(ENOTEMPTY), E(ELOOP), E(ENODATA),
        E(EPROTO), E(EOVERFLOW), E(EBADFD), E(EUSERS), E(ENOTSOCK), E(EMSGSIZE), E(EPROTOTYPE),
        E(EOPNOTSUPP), E(EAFNOSUPPORT), E(EADDRINUSE), E(ENETDOWN), E(ECONNRESET), E(ENOBUFS),
        E(ENOTCONN), E(ETIMEDOUT), E(ECONNREFUSED), E(EALREADY), E(EINPROGRESS), E(ESTALE),
        E(EDQUOT), E(ECANCELED), E(ENOKEY), E(EKEYEXPIRED), E(EKEYREJECTED), E(ENOTUNIQ),
};
#undef E
/* clang-format on */

const char *errno_name(int num, char buf[24])
{
        if (num > 0 && (size_t)num < sizeof(names) / sizeof(names[0]) && names[num])
                return names[num];
        snprintf(buf, 24, "errno %d", num);
        return buf;
}

ERR_PRINTF(3, 0)
static void format(struct err *e, int num, const char *fmt, va_list ap)
{
        e->num = num;
        e->hint[0] = '\0';
        vsnprintf(e->text, sizeof(e->text), fmt, ap);
}

int err_set(struct err *e, const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        format(e, 0, fmt, ap);
        va_end(ap);
        return -1;
}

int err_sys(struct err *e, int num, const char *fmt, ...)
{
        char buf[24];
        size_t len;
        va_list ap;

        va_start(ap, fmt);
        format(e, num, fmt, ap);
        va_end(ap);
        len = strlen(e->text);
        snprintf(e->text + len, sizeof(e->text) - len, ": %s", errno_name(num, buf));
        return -1;
}

int err_in(struct err *e, const char *fmt, ...)
{
        char old[ERR_TEXT_MAX];
        size_t len;
        va_list ap;

        memcpy(old, e->text, sizeof(old));
        va_start(ap, fmt);
        vsnprintf(e->text, sizeof(e->text), fmt, ap);
        va_end(ap);
        len = strlen(e->text);
        snprintf(e->text + len, sizeof(e->text) - len, ": %s", old);
        return -1;
}

int err_hint(struct err *e, const char *fmt, ...)
{
        va_list ap;

        if (e->hint[0])
                return -1;
        va_start(ap, fmt);
        vsnprintf(e->hint, sizeof(e->hint), fmt, ap);
        va_end(ap);
        return -1;
}

void err_line(const struct err *e, char *buf, size_t size)
{
        if (e->hint[0])
                snprintf(buf, size, "%s (%s)", e->text, e->hint);
        else
                snprintf(buf, size, "%s", e->text);

        /* The text may quote a path that the image chose: no escape sequence
         * of its reaches the administrator's terminal. */
        log_clean(buf);
}
