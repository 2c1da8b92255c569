/* config.json as C: what was asked for, nothing interpreted, nothing defaulted.
 *
 * One structure per object of the OCI runtime specification 1.3 (config.md,
 * config-linux.md), members named as there. A pointer, an opt_ member or a
 * list with v == NULL that is not set was absent or null. Names of enums are
 * decoded to the kernel's own values. All memory is the arena's. */
#pragma once

#include "kenro/json/json_read.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest user or group id: 4294967295 means "no change" to the kernel. */
#define SPEC_ID_MAX 4294967294u

#define SPEC_LIST(type)                                                                            \
        struct {                                                                                   \
                type *v;                                                                           \
                size_t n;                                                                          \
        }

struct strings {
        const char **v;
        size_t n;
};

struct pairs {
        struct json_pair *v;
        size_t n;
};

struct id_mapping {
        uint32_t container, host, size;
};

struct id_mappings {
        struct id_mapping *v;
        size_t n;
};

struct spec_console_size {
        uint64_t height, width;
};

struct spec_user {
        uint32_t uid, gid;
        struct opt_uint umask;
        SPEC_LIST(uint32_t) additional_gids;
};

struct spec_capabilities {
        struct strings bounding, effective, inheritable, permitted, ambient;
};

struct spec_rlimit {
        struct opt_uint type; /* RLIMIT_* */
        uint64_t soft, hard;
};

struct spec_scheduler {
        struct opt_uint policy; /* SCHED_* */
        struct opt_int nice, priority;
        SPEC_LIST(uint64_t) flags; /* SCHED_FLAG_* */
        uint64_t runtime, deadline, period;
};

struct spec_io_priority {
        struct opt_uint class; /* IOPRIO_CLASS_* */
        struct opt_int priority;
};

struct spec_cpu_affinity {
        const char *initial, *final;
};

struct spec_process {
        bool terminal, no_new_privileges;
        struct spec_console_size *console_size;
        struct spec_user *user;
        struct strings args, env;
        const char *cwd, *apparmor_profile, *selinux_label;
        struct spec_capabilities *capabilities;
        SPEC_LIST(struct spec_rlimit) rlimits;
        struct opt_int oom_score_adj;
        struct spec_scheduler *scheduler;
        struct spec_io_priority *io_priority;
        struct spec_cpu_affinity *exec_cpu_affinity;
};

struct spec_root {
        const char *path;
        bool readonly;
};

struct spec_mount {
        const char *destination, *source, *type;
        struct strings options;
        struct id_mappings uid_mappings, gid_mappings;
};

struct spec_hook {
        const char *path;
        struct strings args, env;
        struct opt_int timeout; /* seconds */
};

struct spec_hook_list {
        struct spec_hook *v;
        size_t n;
};

struct spec_hooks {
        struct spec_hook_list prestart, create_runtime, create_container, start_container,
                poststart, poststop;
};

struct spec_namespace {
        struct opt_uint type; /* CLONE_NEW* */
        const char *path;
};

struct spec_device {
        struct opt_uint type; /* S_IFCHR, S_IFBLK or S_IFIFO */
        const char *path;
        struct opt_int major, minor;
        struct opt_uint file_mode, uid, gid;
};

struct spec_net_device {
        const char *key; /* name on the host */
        const char *name;
};

struct spec_device_rule {
        bool allow;
        struct opt_uint type;        /* 'a', 'b' or 'c' */
        struct opt_int major, minor; /* -1 is any, as absent */
        const char *access;
};

struct spec_throttle {
        struct opt_int major, minor;
        uint64_t rate;
};

struct spec_throttles {
        struct spec_throttle *v;
        size_t n;
};

struct spec_weight {
        struct opt_int major, minor;
        struct opt_uint weight, leaf_weight;
};

struct spec_block_io {
        struct opt_uint weight, leaf_weight;
        SPEC_LIST(struct spec_weight) weight_device;
        struct spec_throttles read_bps, write_bps, read_iops, write_iops;
};

struct spec_memory {
        struct opt_int limit, reservation, swap, kernel, kernel_tcp;
        struct opt_uint swappiness;
        bool disable_oom_killer, use_hierarchy, check_before_update;
};

struct spec_cpu {
        struct opt_uint shares, burst, period, realtime_period;
        struct opt_int quota, realtime_runtime, idle;
        const char *cpus, *mems;
};

struct spec_pids {
        struct opt_int limit;
};

struct spec_hugepage {
        const char *page_size;
        uint64_t limit;
};

struct spec_interface_priority {
        const char *name;
        uint32_t priority;
};

struct spec_network {
        struct opt_uint class_id;
        SPEC_LIST(struct spec_interface_priority) priorities;
};

struct spec_rdma {
        const char *key; /* device */
        struct opt_uint hca_handles, hca_objects;
};

struct spec_resources {
        SPEC_LIST(struct spec_device_rule) devices;
        struct spec_memory *memory;
        struct spec_cpu *cpu;
        struct spec_pids *pids;
        struct spec_block_io *block_io;
        SPEC_LIST(struct spec_hugepage) hugepage_limits;
        struct spec_network *network;
        SPEC_LIST(struct spec_rdma) rdma;
        struct pairs unified;
};

enum spec_compare { CMP_NE = 1, CMP_LT, CMP_LE, CMP_EQ, CMP_GE, CMP_GT, CMP_MASKED_EQ };

struct spec_syscall_arg {
        uint32_t index;
        uint64_t value, value_two;
        struct opt_uint op; /* enum spec_compare */
};

struct spec_syscall {
        struct strings names;
        struct opt_uint action; /* SECCOMP_RET_* */
        struct opt_uint errno_ret;
        SPEC_LIST(struct spec_syscall_arg) args;
};

struct spec_seccomp {
        struct opt_uint default_action; /* SECCOMP_RET_* */
        struct opt_uint default_errno_ret;
        SPEC_LIST(uint64_t) architectures; /* SCMP_ARCH_* */
        SPEC_LIST(uint64_t) flags;         /* SECCOMP_FILTER_FLAG_* */
        const char *listener_path, *listener_metadata;
        SPEC_LIST(struct spec_syscall) syscalls;
};

struct spec_intel_rdt {
        const char *clos_id, *l3_cache_schema, *mem_bw_schema;
        struct strings schemata;
        bool enable_monitoring;
};

struct spec_memory_policy {
        struct opt_uint mode; /* MPOL_* */
        const char *nodes;
        SPEC_LIST(uint64_t) flags; /* MPOL_F_* */
};

struct spec_personality {
        struct opt_uint domain; /* PER_* */
        struct strings flags;
};

struct spec_time_offset {
        const char *key; /* "monotonic" or "boottime" */
        struct opt_int secs;
        uint32_t nanosecs;
};

struct spec_linux {
        SPEC_LIST(struct spec_namespace) namespaces;
        struct id_mappings uid_mappings, gid_mappings;
        SPEC_LIST(struct spec_device) devices;
        SPEC_LIST(struct spec_net_device) net_devices;
        const char *cgroups_path;
        struct spec_resources *resources;
        struct opt_uint rootfs_propagation; /* MS_SHARED, MS_SLAVE, ..., MS_REC */
        struct spec_seccomp *seccomp;
        struct pairs sysctl;
        struct strings masked_paths, readonly_paths;
        const char *mount_label;
        struct spec_intel_rdt *intel_rdt;
        struct spec_memory_policy *memory_policy;
        struct spec_personality *personality;
        SPEC_LIST(struct spec_time_offset) time_offsets;
};

struct spec {
        const char *oci_version;
        struct spec_root *root;
        struct spec_process *process;
        const char *hostname, *domainname;
        SPEC_LIST(struct spec_mount) mounts;
        struct spec_hooks *hooks;
        struct pairs annotations;
        struct spec_linux *linux_; /* "linux" is a macro of gnu17 compilers */
        void *vm;
};
