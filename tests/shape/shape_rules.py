"""The numbers, the names and the exceptions of test_shape.py, each with its reason."""

LAYERS = "base json spec policy host part plan run cmd".split()
PROGRAMS = {"systemd": "base"}  # a program of its own in src, and the layers that it knows

FUNCTION = {
    "lines": (60, "split it where a name suggests itself"),
    "complexity": (15, "make a table, or functions, of it"),
    "parameters": (6, "put what belongs together into a struct"),
}
NESTING, FILE_LINES, HEADER_LINES = 4, 600, 150

# The image of config.json, one table of members; one inline for each system call.
LONG_HEADERS = {"include/kenro/spec/spec.h", "include/kenro/base/sys.h"}

HEADER_ONLY = {"base/sys", "spec/spec", "run/job"}  # inline calls; structs

BUILT_ON_REQUEST = ("tests/fuzz/",)  # an option of meson, and another compiler

# Module of src without a file in tests/unit, by the reason.
NO_UNIT_TEST = {
    "private to json_read, and tested through it":
        "json/json_locate json/json_mem json/json_value",
    "tested through spec_load, and line by line in tests/refuse":
        "spec/spec_check spec/spec_fields spec/spec_names",
    "private to seccomp: tests/unit/part/seccomp.c and tests/differential":
        "part/seccomp_arch part/seccomp_bpf part/seccomp_interpret part/seccomp_rule",
    "private to engine, and tested through it":
        "host/engine_files",
    "a few system calls without a decision: tests/cli":
        "part/keyring part/loopback part/mount part/oom part/sdnotify part/stash",
    "in the container's process, on its file systems: tests/cli":
        "part/mount_copy",
    "talks to systemd: tests/vm":
        "part/systemd_helper run/scope systemd/kenro_systemd systemd/property",
    "asks the kernel, in two network namespaces: tests/cli":
        "part/netdev part/netdev_link",
    "leads other modules: tests/cli":
        "run/cells run/create run/exec run/foreground run/hooks run/image run/notify run/pause run/spawn "
        "run/start run/steps",
    "a command, tested as one: tests/cli":
        "cmd/cmd cmd/console cmd/create cmd/doctor cmd/events cmd/exec cmd/features cmd/inherit cmd/lifecycle "
        "cmd/pause cmd/prepare cmd/ps cmd/spec cmd/state cmd/update",
}

# The only objects that may change at run time.
MUTABLE = {("src/base/log.c", "program"), ("src/base/log.c", "target")}

LIBRARIES = {"libc", "libcap", "libseccomp", "libyajl"}

BANNED = {
    "strcpy strcat stpcpy sprintf vsprintf gets": "knows no size; use snprintf",
    "atoi atol atoll atof": "cannot fail; parse with a check",
    "strtok alloca": "hides its state or its size; use strcspn, or a buffer of stated size",
    "system popen": "runs a shell; use a descriptor and execve",
    "sleep usleep nanosleep": "waits blindly; poll a pidfd, cgroup.events or inotify",
    "pthread_create thrd_create": "there are no threads here",
    "strerror perror": "engines match its words; err_sys has the symbolic name",
    "pipe accept epoll_create inotify_init creat fopen opendir dup":
        "makes a descriptor that execve keeps, or a hidden one; use the call with CLOEXEC",
}
OPENERS = "open openat memfd_create socket socketpair inotify_init1 accept4 pipe2 dup3".split()
NOT_CLOEXEC = {"src/base/fd.c: open(\"/dev/null\", O_RDWR)"}  # becomes 0, 1 or 2

# Letters in brackets keep a pattern from finding itself here.
UNWANTED = {
    r"/[w]ork/(main|shared|\.library)|/var/tmp/[k]\b": "a path of one machine",
    r"\.\./[s]hared\b": "a directory outside of the repository; say it here",
    # features.md is missing on purpose: the OCI has one.
    r"\b(desig[n]|attack[s]|per[f]|contrac[t]|behaviour[s]|v[m]|styl[e])\.md\b":
        "a document that is not in the repository; say it here",
    r"(?i)py[p]i\.org|pythonhoste[d]|crate[s]\.io|npmj[s]\.|goprox[y]|prox[y]\.golang|"
    r"rubygem[s]\.org|\bregistr[y]\.[a-z]": "a package registry; Debian's packages have to do",
    r"\b(TO[D]O|FIX[M]E|X[X]X)\b": "unfinished work; do it, or write a decision",
}

# What the container's process may call of libc: it allocates nothing, knows no
# stdio, no locale, no user database; and no other library is called at all. Names
# are added by reading what libc does, not by trying.
HARMLESS = set("""
    memchr memcmp memcpy memmove memset snprintf vsnprintf
    strcasecmp strchr strcmp strcspn strlen strncmp strspn strstr strtoul __ctype_b_loc
    __errno_location __libc_current_sigrtmax gnu_dev_makedev sigemptyset
    _exit chdir chroot clock_gettime close dup2 dup3 execve faccessat fchdir fchmod fchmodat fchown
    fchownat fcntl fgetxattr flistxattr fork fsetxattr fstat fstatat fstatfs ftruncate futimens
    getcwd getgroups getresgid getresuid ioctl kill lseek mkdirat mknodat open openat pipe2 poll
    prctl pread read readlinkat recvmsg sendmsg setdomainname sethostname setns setpgid setrlimit
    setsid signal sigprocmask socket socketpair stat statvfs statx symlinkat syscall tcgetattr
    tcsetattr umask unshare utimensat waitpid write
""".split())
FORKER = "src/base/fd.c"  # fd_fork is a fork: what follows is its callers'
# By pointer, and followed all the same: every cell is taken to run.
CELLS_CALLED_BY = {"relay", "src/run/relay.c:first_side"}
