/* The architectures of libseccomp, and the numbers it does not tell. */
#include "seccomp_rule.h"

#include <linux/audit.h>
#include <seccomp.h>
#include <stddef.h>

/* Names for the columns of `direct`. */
enum { X86 = 1, MIPS32, PPC32, PPC64, S390, S390X, M68K, SH, COLUMNS };

/* clang-format off */
static const struct {
        struct seccomp_arch arch;
        int column; /* multiplexed calls' direct numbers */
} archs[] = {
        /*  token                  in seccomp_data       wide   big   socketcall ipc */
        { { SCMP_ARCH_X86_64,      AUDIT_ARCH_X86_64,    true,  false, 0, 0 }, 0 },
        { { SCMP_ARCH_X86,         AUDIT_ARCH_I386,      false, false, 102, 117 }, X86 },
        { { SCMP_ARCH_X32,         AUDIT_ARCH_X86_64,    false, false, 0, 0 }, 0 },
        { { SCMP_ARCH_AARCH64,     AUDIT_ARCH_AARCH64,   true,  false, 0, 0 }, 0 },
        { { SCMP_ARCH_ARM,         AUDIT_ARCH_ARM,       false, false, 0, 0 }, 0 },
        { { SCMP_ARCH_MIPS,        SCMP_ARCH_MIPS,       false, true,  4102, 4117 }, MIPS32 },
        { { SCMP_ARCH_MIPSEL,      SCMP_ARCH_MIPSEL,     false, false, 4102, 4117 }, MIPS32 },
        { { SCMP_ARCH_MIPS64,      SCMP_ARCH_MIPS64,     true,  true,  0, 0 }, 0 },
        { { SCMP_ARCH_MIPSEL64,    SCMP_ARCH_MIPSEL64,   true,  false, 0, 0 }, 0 },
        { { SCMP_ARCH_MIPS64N32,   SCMP_ARCH_MIPS64N32,  false, true,  0, 0 }, 0 },
        { { SCMP_ARCH_MIPSEL64N32, SCMP_ARCH_MIPSEL64N32, false, false, 0, 0 }, 0 },
        { { SCMP_ARCH_PARISC,      SCMP_ARCH_PARISC,     false, true,  0, 0 }, 0 },
        { { SCMP_ARCH_PARISC64,    SCMP_ARCH_PARISC64,   true,  true,  0, 0 }, 0 },
        { { SCMP_ARCH_PPC,         SCMP_ARCH_PPC,        false, true,  102, 117 }, PPC32 },
        { { SCMP_ARCH_PPC64,       SCMP_ARCH_PPC64,      true,  true,  102, 117 }, PPC64 },
        { { SCMP_ARCH_PPC64LE,     SCMP_ARCH_PPC64LE,    true,  false, 102, 117 }, PPC64 },
        { { SCMP_ARCH_RISCV64,     SCMP_ARCH_RISCV64,    true,  false, 0, 0 }, 0 },
        { { SCMP_ARCH_S390,        SCMP_ARCH_S390,       false, true,  102, 117 }, S390 },
        { { SCMP_ARCH_S390X,       SCMP_ARCH_S390X,      true,  true,  102, 117 }, S390X },
#ifdef SCMP_ARCH_LOONGARCH64
        { { SCMP_ARCH_LOONGARCH64, SCMP_ARCH_LOONGARCH64, true, false, 0, 0 }, 0 },
#endif
#ifdef SCMP_ARCH_M68K
        { { SCMP_ARCH_M68K,        SCMP_ARCH_M68K,       false, true,  102, 117 }, M68K },
#endif
#ifdef SCMP_ARCH_SH
        { { SCMP_ARCH_SH,          SCMP_ARCH_SH,         false, false, 102, 117 }, SH },
        { { SCMP_ARCH_SHEB,        SCMP_ARCH_SHEB,       false, true,  102, 117 }, SH },
#endif
};

/* The socket and ipc calls' own numbers beside socketcall(2) and ipc(2), in the
 * order of the multiplexers' call numbers: <linux/net.h>, <linux/ipc.h>. */
static const struct {
        int pseudo;
        int nr[COLUMNS - 1];
} direct[] = {
        /*                 x86  mips ppc  ppc64 s390 s390x m68k sh */
        { -101, /* socket */      { 359, 4183, 326, 326, 359, 359, 356, 340 } },
        { -102, /* bind */        { 361, 4169, 327, 327, 361, 361, 358, 341 } },
        { -103, /* connect */     { 362, 4170, 328, 328, 362, 362, 359, 342 } },
        { -104, /* listen */      { 363, 4174, 329, 329, 363, 363, 360, 343 } },
        { -105, /* accept */      { -1, 4168, 330, 330, -1, -1, -1, 344 } },
        { -106, /* getsockname */ { 367, 4172, 331, 331, 367, 367, 364, 345 } },
        { -107, /* getpeername */ { 368, 4171, 332, 332, 368, 368, 365, 346 } },
        { -108, /* socketpair */  { 360, 4184, 333, 333, 360, 360, 357, 347 } },
        { -109, /* send */        { -1, 4178, 334, 334, -1, -1, -1, 348 } },
        { -110, /* recv */        { -1, 4175, 336, 336, -1, -1, -1, 350 } },
        { -111, /* sendto */      { 369, 4180, 335, 335, 369, 369, 366, 349 } },
        { -112, /* recvfrom */    { 371, 4176, 337, 337, 371, 371, 368, 351 } },
        { -113, /* shutdown */    { 373, 4182, 338, 338, 373, 373, 370, 352 } },
        { -114, /* setsockopt */  { 366, 4181, 339, 339, 366, 366, 363, 353 } },
        { -115, /* getsockopt */  { 365, 4173, 340, 340, 365, 365, 362, 354 } },
        { -116, /* sendmsg */     { 370, 4179, 341, 341, 370, 370, 367, 355 } },
        { -117, /* recvmsg */     { 372, 4177, 342, 342, 372, 372, 369, 356 } },
        { -118, /* accept4 */     { 364, 4334, 344, 344, 364, 364, 361, 358 } },
        { -119, /* recvmmsg */    { 337, 4335, 343, 343, 357, 357, 371, 357 } },
        { -120, /* sendmmsg */    { 345, 4343, 349, 349, 358, 358, 372, 363 } },
        { -202, /* semget */      { 393, 4393, 393, 393, 393, 393, 393, 393 } },
        { -203, /* semctl */      { 394, 4394, 394, 394, 394, 394, 394, 394 } },
        { -204, /* semtimedop */  { -1, -1, -1, 392, -1, 392, -1, -1 } },
        { -211, /* msgsnd */      { 400, 4400, 400, 400, 400, 400, 400, 400 } },
        { -212, /* msgrcv */      { 401, 4401, 401, 401, 401, 401, 401, 401 } },
        { -213, /* msgget */      { 399, 4399, 399, 399, 399, 399, 399, 399 } },
        { -214, /* msgctl */      { 402, 4402, 402, 402, 402, 402, 402, 402 } },
        { -221, /* shmat */       { 397, 4397, 397, 397, 397, 397, 397, 397 } },
        { -222, /* shmdt */       { 398, 4398, 398, 398, 398, 398, 398, 398 } },
        { -223, /* shmget */      { 395, 4395, 395, 395, 395, 395, 395, 395 } },
        { -224, /* shmctl */      { 396, 4396, 396, 396, 396, 396, 396, 396 } },
};
/* clang-format on */

const struct seccomp_arch *seccomp_arch_find(uint32_t token)
{
        for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
                if (archs[i].arch.token == token)
                        return &archs[i].arch;
        return NULL;
}

int seccomp_arch_direct(const struct seccomp_arch *arch, int pseudo)
{
        int column = 0;

        for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
                if (&archs[i].arch == arch)
                        column = archs[i].column;
        for (size_t i = 0; column && i < sizeof(direct) / sizeof(direct[0]); i++)
                if (direct[i].pseudo == pseudo)
                        return direct[i].nr[column - 1];
        return -1;
}
