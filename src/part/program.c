#include "kenro/part/program.h"

#include "kenro/base/fd.h"
#include "kenro/base/path.h"
#include "kenro/spec/spec_load.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Where execvp looks when the environment does not say. */
#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static size_t name_length(const char *variable)
{
        return strcspn(variable, "=");
}

static bool same_name(const char *a, const char *b)
{
        size_t len = name_length(a);

        return len == name_length(b) && strncmp(a, b, len) == 0;
}

/* Duplicates out, the last value stays, at its last place. */
static int plan_env(const struct strings *env, struct arena *scratch, struct program_plan *r,
                    struct err *e)
{
        char **v = ARENA_NEW(scratch, char *, env->n + 2, e);
        bool home = false;
        size_t n = 0;

        if (!v)
                return -1;
        r->path = PATH_DEFAULT;
        for (size_t i = 0; i < env->n; i++) {
                size_t later = i + 1;

                if (!spec_is_variable(env->v[i]))
                        return err_set(e, "process.env[%zu]: is not NAME=VALUE", i);
                while (later < env->n && !same_name(env->v[i], env->v[later]))
                        later++;
                if (later < env->n || strcmp(env->v[i], "HOME=") == 0)
                        continue;
                v[n++] = (char *)(uintptr_t)env->v[i];
                if (strncmp(env->v[i], "PATH=", 5) == 0)
                        r->path = env->v[i] + 5;
                home |= strncmp(env->v[i], "HOME=", 5) == 0;
        }
        if (!home) {
                r->home = &v[n];
                v[n] = ARENA_NEW(scratch, char, PROGRAM_HOME_MAX, e);
                if (!v[n])
                        return -1;
                snprintf(v[n], PROGRAM_HOME_MAX, "HOME=/");
        }
        r->envp = v;
        return 0;
}

int program_plan(const struct spec_process *p, struct arena *a, struct arena *scratch,
                 struct program_plan *ret, struct err *e)
{
        struct program_plan r = { .uid = p->user ? p->user->uid : 0 };
        const char **argv = ARENA_NEW(a, const char *, p->args.n + 1, e);
        char clean[PATH_MAX];
        struct stat st;

        if (!argv || plan_env(&p->env, scratch, &r, e) < 0)
                return -1;
        for (size_t i = 0; i < p->args.n; i++)
                argv[i] = p->args.v[i];
        r.argv = p->args.n ? (char *const *)(uintptr_t)argv : NULL;
        if (path_clean(p->cwd, clean, sizeof(clean), e) < 0)
                return err_in(e, "process.cwd");
        r.cwd = arena_strndup(a, clean, strlen(clean), e);
        if (!r.cwd)
                return -1;
        if (stat("/proc/self/exe", &st) < 0)
                return err_sys(e, errno, "cannot stat the runtime's own image");
        r.self_dev = st.st_dev;
        r.self_ino = st.st_ino;
        *ret = r;
        return 0;
}

int program_cwd_child(const struct program_plan *p, int root_fd, struct err *e)
{
        /* No magic links: /proc/self/fd/N would lead out (CVE-2024-21626). */
        autoclose int fd = path_open_in(root_fd, p->cwd, O_PATH | O_DIRECTORY, 0);
        char now[PATH_MAX];

        if (fd == -EACCES)
                return 1;
        if (fd < 0)
                return err_sys(e, -fd, "process.cwd: cannot open %s", p->cwd);
        if (fchdir(fd) < 0)
                return errno == EACCES
                               ? 1
                               : err_sys(e, errno, "process.cwd: cannot change to %s", p->cwd);
        /* "(unreachable)/..." is outside of the root. */
        if (!getcwd(now, sizeof(now)) || now[0] != '/')
                return err_set(e, "process.cwd: %s is not below the root", p->cwd);
        return 0;
}

/* One line of passwd(5) at LINE, LEN bytes. True if it is UID's and has a home
 * that can be a path. */
static bool home_of(const char *line, size_t len, uint32_t uid, char *home, size_t size)
{
        const char *field[7], *end = line + len;
        char number[16], *rest;
        size_t n = 0, home_len;

        field[n++] = line;
        for (const char *c = line; c < end && n < 7; c++)
                if (*c == ':')
                        field[n++] = c + 1;
        if (n < 7)
                return false;
        snprintf(number, sizeof(number), "%.*s", (int)(field[3] - field[2] - 1), field[2]);
        if (number[0] < '0' || number[0] > '9' || strtoul(number, &rest, 10) != uid || *rest)
                return false;
        home_len = (size_t)(field[6] - field[5] - 1);
        if (home_len == 0 || home_len >= size || field[5][0] != '/')
                return false;
        for (size_t i = 0; i < home_len; i++)
                if ((unsigned char)field[5][i] < 0x20 || field[5][i] == 0x7f)
                        return false;
        snprintf(home, size, "%.*s", (int)home_len, field[5]);
        return true;
}

/* Line by line through a buffer; a line that does not fit into it is not ours. */
static bool search_passwd(int fd, uint32_t uid, char *home, size_t size)
{
        char buf[4096];
        size_t have = 0, total = 0;
        bool tail = false; /* what comes next is the rest of a long line */
        ssize_t n;

        while (total < PROGRAM_PASSWD_MAX && (n = read(fd, buf + have, sizeof(buf) - have)) > 0) {
                char *line = buf, *newline;

                total += (size_t)n;
                have += (size_t)n;
                while ((newline = memchr(line, '\n', have - (size_t)(line - buf)))) {
                        if (!tail && home_of(line, (size_t)(newline - line), uid, home, size))
                                return true;
                        tail = false;
                        line = newline + 1;
                }
                have -= (size_t)(line - buf);
                memmove(buf, line, have);
                if (have == sizeof(buf)) {
                        have = 0;
                        tail = true;
                }
        }
        return have > 0 && !tail && home_of(buf, have, uid, home, size);
}

void program_home_child(const struct program_plan *p, int root_fd)
{
        char home[PROGRAM_HOME_MAX - 5];
        autoclose int fd = -1;
        struct stat st;

        if (!p->home)
                return;
        /* The image may have put a FIFO, a device or a link to one there. */
        fd = path_open_in(root_fd, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return;
        if (search_passwd(fd, p->uid, home, sizeof(home)))
                snprintf(*p->home, PROGRAM_HOME_MAX, "HOME=%s", home);
}

/* 0 if PATH can be executed, else an errno; EISDIR for a directory. */
static int executable(const struct program_plan *p, const char *path)
{
        struct stat st;

        if (stat(path, &st) < 0)
                return errno;
        if (S_ISDIR(st.st_mode))
                return EISDIR;
        if (!S_ISREG(st.st_mode) || (st.st_dev == p->self_dev && st.st_ino == p->self_ino))
                return EACCES;
        return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

/* Engines look for these very words to tell 126 and 127 apart. PATH is where
 * WHAT was found. */
static int cannot_exec(const char *what, const char *path, int num, struct err *e)
{
        struct statvfs fs;

        switch (num) {
        case ENOENT:
        case ENOTDIR:
                err_set(e, "exec \"%.200s\": no such file or directory", what);
                break;
        case EISDIR:
                err_set(e, "exec \"%.200s\": is a directory: permission denied", what);
                break;
        case EACCES:
        case EPERM:
                err_set(e, "exec \"%.200s\": permission denied", what);
                break;
        case ENOEXEC:
                err_set(e, "exec \"%.200s\": exec format error", what);
                break;
        default:
                err_sys(e, num, "exec \"%.200s\"", what);
                break;
        }
        e->num = num;
        if (num == EACCES && statvfs(path, &fs) == 0 && fs.f_flag & ST_NOEXEC)
                err_hint(e, "it is on a noexec mount");
        return -1;
}

int program_find_child(const struct program_plan *p, char found[PATH_MAX], struct err *e)
{
        const char *file = p->argv[0], *dir = p->path;
        int denied = 0, r;

        if (strchr(file, '/')) {
                if (snprintf(found, PATH_MAX, "%s", file) >= PATH_MAX)
                        return cannot_exec(file, file, ENAMETOOLONG, e);
                r = executable(p, found);
                return r ? cannot_exec(file, found, r, e) : 0;
        }
        for (;;) {
                size_t len = strcspn(dir, ":");

                /* An empty entry is the current directory: execvp(3). */
                r = snprintf(found, PATH_MAX, "%.*s%s%s", (int)len, dir, len ? "/" : "", file);
                r = r < PATH_MAX ? executable(p, found) : ENAMETOOLONG;
                if (r == 0)
                        return 0;
                if (r == EACCES)
                        denied = r;
                if (dir[len] == '\0')
                        break;
                dir += len + 1;
        }
        if (denied)
                return cannot_exec(file, file, denied, e);
        err_set(e, "exec \"%.200s\": executable file not found in $PATH", file);
        e->num = ENOENT;
        return -1;
}

/* PT_INTERP of the ELF file FD, which begins with the N bytes of HEAD. */
static bool elf_interpreter(int fd, const char *head, size_t n, char *name, size_t size)
{
        Elf64_Ehdr eh;

        if (n < sizeof(eh) || memcmp(head, ELFMAG, SELFMAG) != 0 || head[EI_CLASS] != ELFCLASS64)
                return false;
        memcpy(&eh, head, sizeof(eh));
        for (unsigned i = 0; i < eh.e_phnum && i < 64; i++) {
                Elf64_Phdr ph;
                ssize_t r;

                if (eh.e_phoff > n || (i + 1) * sizeof(ph) > n - eh.e_phoff)
                        return false;
                memcpy(&ph, head + eh.e_phoff + i * sizeof(ph), sizeof(ph));
                if (ph.p_type != PT_INTERP)
                        continue;
                r = pread(fd, name, ph.p_filesz < size ? ph.p_filesz : size - 1,
                          (off_t)ph.p_offset);
                name[r > 0 ? r : 0] = '\0';
                return r > 0;
        }
        return false;
}

/* The program's interpreter, from "#!" or from ELF. */
static bool interpreter(const char *path, char *name, size_t size)
{
        autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        char head[4096];
        ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));

        if (n > 2 && head[0] == '#' && head[1] == '!') {
                size_t at = 2 + strspn(head + 2, " \t");

                head[n < (ssize_t)sizeof(head) ? n : n - 1] = '\0';
                snprintf(name, size, "%.*s", (int)strcspn(head + at, " \t\n"), head + at);
                return true;
        }
        return n > 0 && elf_interpreter(fd, head, (size_t)n, name, size);
}

int program_exec_child(const struct program_plan *p, const char *found, struct err *e)
{
        char name[128] = "";
        int num;

        execve(found, p->argv, p->envp);
        num = errno;
        cannot_exec(p->argv[0], found, num, e);
        if (num == ENOENT && interpreter(found, name, sizeof(name))) {
                if (strchr(name, '\r'))
                        return err_hint(e, "its first line ends with a carriage return");
                return err_hint(e, "its interpreter %s is not there", name);
        }
        return -1;
}
