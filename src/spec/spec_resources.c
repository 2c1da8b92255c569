#include "kenro/spec/spec_resources.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/spec/spec_fields.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int spec_load_resources(const char *path, struct arena *a, struct spec_resources *ret,
                        struct err *e)
{
        bool is_stdin = strcmp(path, "-") == 0;
        struct json_source src = { .name = is_stdin ? "standard input" : path,
                                   .arena = a,
                                   .warn = true };
        /* O_NONBLOCK: a FIFO that nobody writes to must not hang the runtime. */
        autoclose int fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                    : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

        if (fd < 0)
                return err_sys(e, errno, "cannot open %s", src.name);
        src.text = file_read_fd(fd, a, JSON_BYTES_MAX, &src.len, e);
        if (!src.text)
                return err_in(e, "%s", src.name);
        *ret = (struct spec_resources){ 0 };
        return json_decode(&src, &spec_resources_shape, ret, e);
}

static void merge_int(struct opt_int *to, struct opt_int from)
{
        if (from.set && from.v != 0)
                *to = from;
}

static void merge_uint(struct opt_uint *to, struct opt_uint from)
{
        if (from.set && from.v != 0)
                *to = from;
}

static void merge_text(const char **to, const char *from)
{
        if (from && *from)
                *to = from;
}

static void merge_memory(struct spec_memory *to, const struct spec_memory *from)
{
        merge_int(&to->limit, from->limit);
        merge_int(&to->reservation, from->reservation);
        merge_int(&to->swap, from->swap);
        merge_int(&to->kernel, from->kernel);
        merge_int(&to->kernel_tcp, from->kernel_tcp);
        merge_uint(&to->swappiness, from->swappiness);
        to->disable_oom_killer |= from->disable_oom_killer;
        to->check_before_update = from->check_before_update;
        /* Memory without limit and swap with one is what nobody means. */
        if (from->limit.set && from->limit.v == -1 && from->swap.v == 0)
                to->swap = from->limit;
}

static void merge_cpu(struct spec_cpu *to, const struct spec_cpu *from)
{
        merge_uint(&to->shares, from->shares);
        merge_int(&to->quota, from->quota);
        merge_uint(&to->period, from->period);
        merge_uint(&to->burst, from->burst);
        merge_int(&to->realtime_runtime, from->realtime_runtime);
        merge_uint(&to->realtime_period, from->realtime_period);
        merge_text(&to->cpus, from->cpus);
        merge_text(&to->mems, from->mems);
        if (from->idle.set)
                to->idle = from->idle;
}

/* Of hugepageLimits, rdma and unified: the name comes first. */
static bool same_name(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b) == 0;
}

/* Of weightDevice and throttle...Device: major and minor come first. */
static bool same_device(const void *a, const void *b)
{
        const struct opt_int *x = a, *y = b;

        return x[0].v == y[0].v && x[1].v == y[1].v;
}

struct list {
        char *v;
        size_t n;
};

struct merge {
        struct arena *arena;
        struct err *e;
        bool failed;
};

/* Put FROM's elements of SIZE bytes in the place of the SAME ones in TO, or behind. */
static void merge_list(struct merge *m, void *to, const void *from, size_t size,
                       bool (*same)(const void *, const void *))
{
        struct list parts[2], r = { 0 };

        memcpy(&parts[0], to, sizeof(parts[0]));
        memcpy(&parts[1], from, sizeof(parts[1]));
        for (size_t i = 0; i < parts[0].n + parts[1].n && !m->failed; i++) {
                bool old = i < parts[0].n;
                const char *item = old ? parts[0].v + i * size
                                       : parts[1].v + (i - parts[0].n) * size;
                char *at = NULL;

                for (size_t k = 0; k < r.n && !at; k++)
                        if (same(r.v + k * size, item))
                                at = r.v + k * size;
                if (!at)
                        at = arena_push(m->arena, &r.v, &r.n, size, m->e);
                if (at)
                        memcpy(at, item, size);
                m->failed |= !at;
        }
        memcpy(to, &r, sizeof(r));
}

#define MERGE_LIST(m, to, from, same) merge_list(m, &(to), &(from), sizeof(*(to).v), same)

static void merge_block_io(struct merge *m, struct spec_block_io *to,
                           const struct spec_block_io *from)
{
        merge_uint(&to->weight, from->weight);
        merge_uint(&to->leaf_weight, from->leaf_weight);
        MERGE_LIST(m, to->weight_device, from->weight_device, same_device);
        MERGE_LIST(m, to->read_bps, from->read_bps, same_device);
        MERGE_LIST(m, to->write_bps, from->write_bps, same_device);
        MERGE_LIST(m, to->read_iops, from->read_iops, same_device);
        MERGE_LIST(m, to->write_iops, from->write_iops, same_device);
}

/* A copy of OLD (or NULL) that can be changed. */
static void *copy(struct merge *m, const void *old, size_t size)
{
        void *new = arena_alloc(m->arena, 1, size, m->e);

        m->failed |= !new;
        if (new &&old)
                memcpy(new, old, size);
        return new;
}

#define COPY(m, old) copy(m, old, sizeof(*(old)))

int spec_merge_resources(const struct spec_resources *old, const struct spec_resources *change,
                         struct arena *a, struct spec_resources *ret, struct err *e)
{
        static const struct spec_resources none;
        struct merge m = { a, e, false };
        struct spec_resources r = old ? *old : none;

        r.devices.v = NULL;
        r.devices.n = 0;
        if (change->memory && (r.memory = COPY(&m, r.memory)))
                merge_memory(r.memory, change->memory);
        if (change->cpu && (r.cpu = COPY(&m, r.cpu)))
                merge_cpu(r.cpu, change->cpu);
        if (change->block_io && (r.block_io = COPY(&m, r.block_io)))
                merge_block_io(&m, r.block_io, change->block_io);
        if (change->pids && change->pids->limit.set)
                r.pids = change->pids;
        if (change->network)
                r.network = change->network;
        MERGE_LIST(&m, r.hugepage_limits, change->hugepage_limits, same_name);
        MERGE_LIST(&m, r.rdma, change->rdma, same_name);
        MERGE_LIST(&m, r.unified, change->unified, same_name);
        if (m.failed)
                return -1;
        *ret = r;
        return 0;
}
