/* Names of the specification and the kernel's values for them. */
#include "spec_names.h"

#include "kenro/base/sys.h"
#include "kenro/spec/spec.h"
#include "kenro/spec/spec_fields.h"

#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/personality.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* clang-format off */
const struct name spec_namespace_names[] = {
        { "pid", CLONE_NEWPID }, { "network", CLONE_NEWNET }, { "mount", CLONE_NEWNS },
        { "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS }, { "user", CLONE_NEWUSER },
        { "cgroup", CLONE_NEWCGROUP }, { "time", CLONE_NEWTIME }, { NULL, 0 },
};

const struct name spec_rlimit_names[] = {
        { "RLIMIT_AS", RLIMIT_AS }, { "RLIMIT_CORE", RLIMIT_CORE }, { "RLIMIT_CPU", RLIMIT_CPU },
        { "RLIMIT_DATA", RLIMIT_DATA }, { "RLIMIT_FSIZE", RLIMIT_FSIZE },
        { "RLIMIT_LOCKS", RLIMIT_LOCKS }, { "RLIMIT_MEMLOCK", RLIMIT_MEMLOCK },
        { "RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE }, { "RLIMIT_NICE", RLIMIT_NICE },
        { "RLIMIT_NOFILE", RLIMIT_NOFILE }, { "RLIMIT_NPROC", RLIMIT_NPROC },
        { "RLIMIT_RSS", RLIMIT_RSS }, { "RLIMIT_RTPRIO", RLIMIT_RTPRIO },
        { "RLIMIT_RTTIME", RLIMIT_RTTIME }, { "RLIMIT_SIGPENDING", RLIMIT_SIGPENDING },
        { "RLIMIT_STACK", RLIMIT_STACK }, { NULL, 0 },
};

/* The four of the specification, and the recursive spellings engines use. */
const struct name spec_propagation_names[] = {
        { "private", MS_PRIVATE }, { "shared", MS_SHARED }, { "slave", MS_SLAVE },
        { "unbindable", MS_UNBINDABLE }, { "rprivate", MS_PRIVATE | MS_REC },
        { "rshared", MS_SHARED | MS_REC }, { "rslave", MS_SLAVE | MS_REC },
        { "runbindable", MS_UNBINDABLE | MS_REC }, { "", 0 }, { NULL, 0 },
};

const struct name spec_seccomp_action_names[] = {
        { "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW }, { "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO },
        { "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD },
        { "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS },
        { "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD },
        { "SCMP_ACT_LOG", SECCOMP_RET_LOG }, { "SCMP_ACT_NOTIFY", SECCOMP_RET_USER_NOTIF },
        { "SCMP_ACT_TRACE", SECCOMP_RET_TRACE }, { "SCMP_ACT_TRAP", SECCOMP_RET_TRAP },
        { NULL, 0 },
};

/* Tokens that libseccomp before 2.6 does not name yet. */
enum { ARCH_M68K = 0x4, ARCH_SH = 0x4000002a, ARCH_SHEB = 0x2a };
#define ARCH_LOONGARCH64 0xc0000102u

const struct name spec_seccomp_arch_names[] = {
        { "SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64 }, { "SCMP_ARCH_ARM", SCMP_ARCH_ARM },
        { "SCMP_ARCH_LOONGARCH64", ARCH_LOONGARCH64 }, { "SCMP_ARCH_M68K", ARCH_M68K },
        { "SCMP_ARCH_MIPS", SCMP_ARCH_MIPS }, { "SCMP_ARCH_MIPS64", SCMP_ARCH_MIPS64 },
        { "SCMP_ARCH_MIPS64N32", SCMP_ARCH_MIPS64N32 }, { "SCMP_ARCH_MIPSEL", SCMP_ARCH_MIPSEL },
        { "SCMP_ARCH_MIPSEL64", SCMP_ARCH_MIPSEL64 },
        { "SCMP_ARCH_MIPSEL64N32", SCMP_ARCH_MIPSEL64N32 },
        { "SCMP_ARCH_PARISC", SCMP_ARCH_PARISC }, { "SCMP_ARCH_PARISC64", SCMP_ARCH_PARISC64 },
        { "SCMP_ARCH_PPC", SCMP_ARCH_PPC }, { "SCMP_ARCH_PPC64", SCMP_ARCH_PPC64 },
        { "SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE }, { "SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64 },
        { "SCMP_ARCH_S390", SCMP_ARCH_S390 }, { "SCMP_ARCH_S390X", SCMP_ARCH_S390X },
        { "SCMP_ARCH_SH", ARCH_SH }, { "SCMP_ARCH_SHEB", ARCH_SHEB },
        { "SCMP_ARCH_X32", SCMP_ARCH_X32 }, { "SCMP_ARCH_X86", SCMP_ARCH_X86 },
        { "SCMP_ARCH_X86_64", SCMP_ARCH_X86_64 }, { NULL, 0 },
};

const struct name spec_seccomp_flag_names[] = {
        { "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
        { "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
        { "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
        { "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 1u << 5 }, /* Linux 5.19 */
        { NULL, 0 },
};

const struct name spec_seccomp_compare_names[] = {
        { "SCMP_CMP_EQ", CMP_EQ }, { "SCMP_CMP_GE", CMP_GE }, { "SCMP_CMP_GT", CMP_GT },
        { "SCMP_CMP_LE", CMP_LE }, { "SCMP_CMP_LT", CMP_LT },
        { "SCMP_CMP_MASKED_EQ", CMP_MASKED_EQ }, { "SCMP_CMP_NE", CMP_NE }, { NULL, 0 },
};

const struct name spec_scheduler_names[] = {
        { "SCHED_OTHER", SCHED_NORMAL }, { "SCHED_FIFO", SCHED_FIFO }, { "SCHED_RR", SCHED_RR },
        { "SCHED_BATCH", SCHED_BATCH }, { "SCHED_ISO", 4 }, { "SCHED_IDLE", SCHED_IDLE },
        { "SCHED_DEADLINE", SCHED_DEADLINE }, { NULL, 0 },
};

const struct name spec_scheduler_flag_names[] = {
        { "SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK },
        { "SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM },
        { "SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN },
        { "SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY },
        { "SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS },
        { "SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN },
        { "SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX }, { NULL, 0 },
};

const struct name spec_io_class_names[] = {
        { "IOPRIO_CLASS_RT", IOPRIO_CLASS_RT }, { "IOPRIO_CLASS_BE", IOPRIO_CLASS_BE },
        { "IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE }, { NULL, 0 },
};

const struct name spec_device_type_names[] = {
        { "c", S_IFCHR }, { "u", S_IFCHR }, { "b", S_IFBLK }, { "p", S_IFIFO }, { NULL, 0 },
};

const struct name spec_rule_type_names[] = {
        { "a", 'a' }, { "b", 'b' }, { "c", 'c' }, { "", 'a' }, { NULL, 0 },
};

const struct name spec_memory_mode_names[] = {
        { "MPOL_DEFAULT", MPOL_DEFAULT }, { "MPOL_BIND", MPOL_BIND },
        { "MPOL_INTERLEAVE", MPOL_INTERLEAVE }, { "MPOL_WEIGHTED_INTERLEAVE", 6 },
        { "MPOL_PREFERRED", MPOL_PREFERRED }, { "MPOL_PREFERRED_MANY", 5 },
        { "MPOL_LOCAL", MPOL_LOCAL }, { NULL, 0 },
};

const struct name spec_memory_flag_names[] = {
        { "MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING },
        { "MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES },
        { "MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES }, { NULL, 0 },
};

const struct name spec_personality_names[] = {
        { "LINUX", PER_LINUX }, { "LINUX32", PER_LINUX32 }, { NULL, 0 },
};
/* clang-format on */
