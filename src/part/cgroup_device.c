#include "kenro/part/cgroup_device.h"

#include "kenro/base/fd.h"
#include "kenro/base/sys.h"

#include <string.h>
#include <sys/stat.h>

enum { INSN_PER_RULE = 8, INSN_EXTRA = 10 };
enum { LOAD_TRIES = 5 };
enum { PROGRAMS_MAX = 64 }; /* the kernel's BPF_CGROUP_MAX_PROGS */
enum { ACCESS_ALL = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE };

/* config-linux.md, Default Devices, and the terminal's ends: character devices that
 * can be read and written, whatever the rules say. */
static const struct {
        int major, first, last; /* minors */
} defaults[] = {
        { 1, 3, 3 }, /* null */
        { 1, 5, 5 }, /* zero */
        { 1, 7, 9 }, /* full, random, urandom */
        { 5, 0, 2 }, /* tty, console, ptmx */
        { 136, 0, -1 },
};

enum { N_DEFAULTS = sizeof(defaults) / sizeof(defaults[0]), DEFAULT_INSN = 3 * N_DEFAULTS + 6 };

/* What the registers hold: the request, and the bits not decided yet. */
enum { R_RESULT = BPF_REG_0, R_CTX = BPF_REG_1, R_TYPE, R_LEFT, R_MAJOR, R_MINOR, R_TEMP };

struct program {
        struct bpf_insn *v;
        size_t n;
};

static struct bpf_insn *emit(struct program *p, unsigned code, unsigned dst, int imm)
{
        p->v[p->n] = (struct bpf_insn){ .code = (uint8_t)code, .dst_reg = dst & 15, .imm = imm };
        return &p->v[p->n++];
}

static void load(struct program *p, unsigned dst, size_t offset)
{
        struct bpf_insn *i = emit(p, BPF_LDX | BPF_MEM | BPF_W, dst, 0);

        i->src_reg = R_CTX;
        i->off = (int16_t)offset;
}

static void answer(struct program *p, bool allow)
{
        emit(p, BPF_ALU64 | BPF_MOV | BPF_K, R_RESULT, allow);
        emit(p, BPF_JMP | BPF_EXIT, 0, 0);
}

static int access_bits(const char *access)
{
        int bits = 0;

        if (!access)
                return 0;
        if (strchr(access, 'r'))
                bits |= BPF_DEVCG_ACC_READ;
        if (strchr(access, 'w'))
                bits |= BPF_DEVCG_ACC_WRITE;
        if (strchr(access, 'm'))
                bits |= BPF_DEVCG_ACC_MKNOD;
        return bits;
}

static bool is_any(struct opt_int number)
{
        return !number.set || number.v < 0;
}

static uint64_t type_of(const struct spec_device_rule *r)
{
        return r->type.set ? r->type.v : 'a';
}

/* A rule that decides every request: what stands before it has no effect. */
static bool is_total(const struct spec_device_rule *r)
{
        return type_of(r) == 'a' && is_any(r->major) && is_any(r->minor) &&
               access_bits(r->access) == ACCESS_ALL;
}

/* Jump over the rest of the rule unless the register has the value. The jumps
 * are patched by rule(). */
static void only_if(struct program *p, unsigned reg, int64_t value)
{
        emit(p, BPF_JMP32 | BPF_JNE | BPF_K, reg, (int)value);
}

static void rule(struct program *p, const struct spec_device_rule *r)
{
        size_t start = p->n;
        int bits = access_bits(r->access);

        if (bits == 0)
                return;
        if (type_of(r) != 'a')
                only_if(p, R_TYPE, type_of(r) == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK);
        if (!is_any(r->major))
                only_if(p, R_MAJOR, r->major.v);
        if (!is_any(r->minor))
                only_if(p, R_MINOR, r->minor.v);
        if (r->allow && bits != ACCESS_ALL) {
                /* Allowed bits are decided; an older rule speaks of the others. */
                emit(p, BPF_ALU64 | BPF_AND | BPF_K, R_LEFT, ~bits);
                only_if(p, R_LEFT, 0);
        } else if (bits != ACCESS_ALL) {
                struct bpf_insn *move = emit(p, BPF_ALU64 | BPF_MOV | BPF_X, R_TEMP, 0);

                move->src_reg = R_LEFT;
                emit(p, BPF_ALU64 | BPF_AND | BPF_K, R_TEMP, bits);
                emit(p, BPF_JMP32 | BPF_JEQ | BPF_K, R_TEMP, 0);
        }
        answer(p, r->allow);
        for (size_t i = start; i < p->n; i++)
                if (BPF_CLASS(p->v[i].code) == BPF_JMP32)
                        p->v[i].off = (int16_t)(p->n - i - 1);
}

static void jump(struct program *p, unsigned how, unsigned reg, int value, size_t off)
{
        emit(p, BPF_JMP32 | how | BPF_K, reg, value)->off = (int16_t)off;
}

/* One search for all of them: the verifier's time goes with the length. */
static void default_rules(struct program *p)
{
        enum { TAIL = 4 }; /* from the hit on */

        jump(p, BPF_JNE, R_TYPE, BPF_DEVCG_DEV_CHAR, 3 * N_DEFAULTS + 1 + TAIL);
        for (size_t i = 0; i < N_DEFAULTS; i++) {
                jump(p, BPF_JNE, R_MAJOR, defaults[i].major, 2);
                jump(p, BPF_JLT, R_MINOR, defaults[i].first, 1);
                jump(p, BPF_JLE, R_MINOR, defaults[i].last, 3 * (N_DEFAULTS - 1 - i) + 1);
        }
        emit(p, BPF_JMP | BPF_JA, 0, 0)->off = TAIL;
        emit(p, BPF_ALU64 | BPF_AND | BPF_K, R_LEFT, ~(BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE));
        jump(p, BPF_JNE, R_LEFT, 0, 2);
        answer(p, true);
}

static void prologue(struct program *p)
{
        load(p, R_TYPE, offsetof(struct bpf_cgroup_dev_ctx, access_type));
        emit(p, BPF_ALU64 | BPF_MOV | BPF_X, R_LEFT, 0)->src_reg = R_TYPE;
        emit(p, BPF_ALU64 | BPF_AND | BPF_K, R_TYPE, 0xffff);
        emit(p, BPF_ALU64 | BPF_RSH | BPF_K, R_LEFT, 16);
        load(p, R_MAJOR, offsetof(struct bpf_cgroup_dev_ctx, major));
        load(p, R_MINOR, offsetof(struct bpf_cgroup_dev_ctx, minor));
}

int cgroup_device_plan(const struct spec *s, struct arena *a, struct cgroup_device_plan *ret,
                       struct err *e)
{
        const struct spec_resources *r = s->linux_->resources;
        size_t asked = r ? r->devices.n : 0, first = asked;
        struct program p = { 0 };

        *ret = (struct cgroup_device_plan){ 0 };
        if (asked > CGROUP_DEVICE_RULES_MAX)
                return err_set(e, "linux.resources.devices: more than %d rules",
                               CGROUP_DEVICE_RULES_MAX);
        while (first > 0 && !is_total(&r->devices.v[first - 1]))
                first--;
        if (first > 0 && first == asked && r->devices.v[first - 1].allow)
                return 0;
        p.v = ARENA_NEW(a, struct bpf_insn, asked * INSN_PER_RULE + DEFAULT_INSN + INSN_EXTRA, e);
        if (!p.v)
                return -1;
        prologue(&p);
        default_rules(&p);
        for (size_t i = asked; i > 0 && i >= first; i--)
                rule(&p, &r->devices.v[i - 1]);
        /* After a rule for everything nothing is reached, which the kernel refuses. */
        if (first == 0)
                answer(&p, false);
        *ret = (struct cgroup_device_plan){ p.v, p.n };
        return 0;
}

static bool matches(const struct spec_device_rule *r, const struct spec_device *d)
{
        if (type_of(r) != 'a' && (type_of(r) == 'b') != (d->type.v == S_IFBLK))
                return false;
        return (is_any(r->major) || r->major.v == d->major.v) &&
               (is_any(r->minor) || r->minor.v == d->minor.v);
}

static bool is_default(const struct spec_device *d)
{
        for (size_t i = 0; d->type.v == S_IFCHR && i < N_DEFAULTS; i++)
                if (d->major.v == defaults[i].major && d->minor.v >= defaults[i].first &&
                    (defaults[i].last < 0 || d->minor.v <= defaults[i].last))
                        return true;
        return false;
}

/* Read and write: without privileges the file's mode is all that tells them apart. */
static bool is_allowed(const struct spec_resources *r, const struct spec_device *d)
{
        int left = BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;

        for (size_t i = r ? r->devices.n : 0; i > 0; i--) {
                const struct spec_device_rule *rule = &r->devices.v[i - 1];
                int bits = access_bits(rule->access) & left;

                if (bits == 0 || !matches(rule, d))
                        continue;
                if (!rule->allow)
                        return false;
                left &= ~bits;
        }
        return left == 0;
}

int cgroup_device_check_listed(const struct spec *s, struct err *e)
{
        const struct spec_linux *l = s->linux_;

        for (size_t i = 0; i < l->devices.n; i++) {
                const struct spec_device *d = &l->devices.v[i];

                if (d->type.v == S_IFIFO || is_default(d) || is_allowed(l->resources, d))
                        continue;
                err_set(e,
                        "linux.devices[%zu] (%s): linux.resources.devices does not allow to read "
                        "and write it, which cannot be enforced without privileges",
                        i, d->path);
                return err_hint(e, "allow it there, or leave the device out");
        }
        return 0;
}

static const char program_name[] = "kenro_device";

int cgroup_device_parent(const struct cgroup_device_plan *p, int cgroup_fd, struct err *e)
{
        static const char license[] = "Apache-2.0";
        union bpf_attr load_attr = {
                .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
                .insn_cnt = (uint32_t)p->n,
                .insns = (uintptr_t)p->v,
                .license = (uintptr_t)license,
        };
        union bpf_attr attach_attr = {
                .target_fd = (uint32_t)cgroup_fd,
                .attach_type = BPF_CGROUP_DEVICE,
                .attach_flags = BPF_F_ALLOW_MULTI, /* rules of groups above hold too */
        };
        autoclose int fd = -1;
        int r;

        if (!p->v)
                return 0;
        memcpy(load_attr.prog_name, program_name, sizeof(program_name));
        /* The verifier gives up when a signal is pending, also SIGSTOP's SIGCONT. */
        for (int i = 0; i < LOAD_TRIES && (fd == -1 || fd == -EAGAIN); i++)
                fd = sys_bpf(BPF_PROG_LOAD, &load_attr, sizeof(load_attr));
        if (fd < 0)
                return err_sys(e, -fd, "linux.resources.devices: cannot load the device program");
        attach_attr.attach_bpf_fd = (uint32_t)fd;
        r = sys_bpf(BPF_PROG_ATTACH, &attach_attr, sizeof(attach_attr));
        if (r < 0)
                return err_sys(e, -r, "linux.resources.devices: cannot attach the device program");
        return 0;
}

static void detach_if_ours(int cgroup_fd, uint32_t id)
{
        union bpf_attr open_attr = { .prog_id = id };
        autoclose int fd = sys_bpf(BPF_PROG_GET_FD_BY_ID, &open_attr, sizeof(open_attr));
        struct bpf_prog_info info = { 0 };
        union bpf_attr info_attr = { .info = { .bpf_fd = (uint32_t)fd,
                                               .info_len = sizeof(info),
                                               .info = (uintptr_t)&info } };
        union bpf_attr detach_attr = { .target_fd = (uint32_t)cgroup_fd,
                                       .attach_bpf_fd = (uint32_t)fd,
                                       .attach_type = BPF_CGROUP_DEVICE };

        if (fd >= 0 && sys_bpf(BPF_OBJ_GET_INFO_BY_FD, &info_attr, sizeof(info_attr)) >= 0 &&
            strcmp(info.name, program_name) == 0)
                (void)sys_bpf(BPF_PROG_DETACH, &detach_attr,
                              sizeof(detach_attr)); /* gone is fine */
}

void cgroup_device_undo(int cgroup_fd)
{
        uint32_t ids[PROGRAMS_MAX];
        union bpf_attr query = { .query = { .target_fd = (uint32_t)cgroup_fd,
                                            .attach_type = BPF_CGROUP_DEVICE,
                                            .prog_ids = (uintptr_t)ids,
                                            .prog_cnt = PROGRAMS_MAX } };

        if (sys_bpf(BPF_PROG_QUERY, &query, sizeof(query)) < 0)
                return;
        for (uint32_t i = 0; i < query.query.prog_cnt && i < PROGRAMS_MAX; i++)
                detach_if_ours(cgroup_fd, ids[i]);
}
