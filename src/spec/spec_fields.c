#include "kenro/spec/spec_fields.h"

#include "kenro/spec/spec.h"

#include "spec_names.h"

/* One row a key. AT names the structure and its member; what follows are the
 * rules of struct json_field. */
#define AT(type, member) .offset = offsetof(struct type, member)
#define SHAPE(name, type) const struct json_shape name = { sizeof(struct type), name##_fields }

#define ANY_INT .min = INT64_MIN, .max = INT64_MAX
#define DEVICE_NUMBER .min = -1, .max = UINT32_MAX

/* clang-format off */

static const struct json_field id_mapping_fields[] = {
        { "containerID", J_U32, AT(id_mapping, container), .required = true },
        { "hostID",      J_U32, AT(id_mapping, host), .required = true },
        { "size",        J_U32, AT(id_mapping, size), .required = true },
        { 0 },
};
static SHAPE(id_mapping, id_mapping);

/* process */

static const struct json_field console_size_fields[] = {
        { "height", J_U64, AT(spec_console_size, height), .required = true },
        { "width",  J_U64, AT(spec_console_size, width), .required = true },
        { 0 },
};
static SHAPE(console_size, spec_console_size);

static const struct json_field user_fields[] = {
        { "uid",            J_U32, AT(spec_user, uid), .max = SPEC_ID_MAX },
        { "gid",            J_U32, AT(spec_user, gid), .max = SPEC_ID_MAX },
        { "umask",          J_UINT, AT(spec_user, umask), .max = UINT32_MAX },
        { "additionalGids", J_LIST, J_U32, AT(spec_user, additional_gids), .max = SPEC_ID_MAX },
        { "username",       J_SKIP }, /* Windows */
        { 0 },
};
static SHAPE(user, spec_user);

static const struct json_field capabilities_fields[] = {
        { "bounding",    J_LIST, J_STR, AT(spec_capabilities, bounding) },
        { "effective",   J_LIST, J_STR, AT(spec_capabilities, effective) },
        { "inheritable", J_LIST, J_STR, AT(spec_capabilities, inheritable) },
        { "permitted",   J_LIST, J_STR, AT(spec_capabilities, permitted) },
        { "ambient",     J_LIST, J_STR, AT(spec_capabilities, ambient) },
        { 0 },
};
static SHAPE(capabilities, spec_capabilities);

static const struct json_field rlimit_fields[] = {
        { "type", J_ENUM, AT(spec_rlimit, type), .required = true, .names = spec_rlimit_names },
        { "soft", J_U64, AT(spec_rlimit, soft), .required = true },
        { "hard", J_U64, AT(spec_rlimit, hard), .required = true },
        { 0 },
};
static SHAPE(rlimit, spec_rlimit);

static const struct json_field scheduler_fields[] = {
        { "policy",   J_ENUM, AT(spec_scheduler, policy), .required = true,
                      .names = spec_scheduler_names },
        { "nice",     J_INT, AT(spec_scheduler, nice), .min = INT32_MIN, .max = INT32_MAX },
        { "priority", J_INT, AT(spec_scheduler, priority), .min = INT32_MIN, .max = INT32_MAX },
        { "flags",    J_LIST, J_ENUM, AT(spec_scheduler, flags),
                      .names = spec_scheduler_flag_names },
        { "runtime",  J_U64, AT(spec_scheduler, runtime) },
        { "deadline", J_U64, AT(spec_scheduler, deadline) },
        { "period",   J_U64, AT(spec_scheduler, period) },
        { 0 },
};
static SHAPE(scheduler, spec_scheduler);

static const struct json_field io_priority_fields[] = {
        { "class",    J_ENUM, AT(spec_io_priority, class), .required = true,
                      .names = spec_io_class_names },
        { "priority", J_INT, AT(spec_io_priority, priority), .required = true,
                      .min = INT32_MIN, .max = INT32_MAX },
        { 0 },
};
static SHAPE(io_priority, spec_io_priority);

static const struct json_field cpu_affinity_fields[] = {
        { "initial", J_STR, AT(spec_cpu_affinity, initial) },
        { "final",   J_STR, AT(spec_cpu_affinity, final) },
        { 0 },
};
static SHAPE(cpu_affinity, spec_cpu_affinity);

static const struct json_field spec_process_shape_fields[] = {
        { "terminal",        J_BOOL, AT(spec_process, terminal) },
        { "consoleSize",     J_OBJ, AT(spec_process, console_size), .shape = &console_size },
        { "user",            J_OBJ, AT(spec_process, user), .shape = &user },
        { "args",            J_LIST, J_STR, AT(spec_process, args) },
        { "commandLine",     J_SKIP }, /* Windows */
        { "env",             J_LIST, J_STR, AT(spec_process, env) },
        { "cwd",             J_STR, AT(spec_process, cwd), .required = true },
        { "capabilities",    J_OBJ, AT(spec_process, capabilities), .shape = &capabilities },
        { "rlimits",         J_LIST, J_OBJ, AT(spec_process, rlimits), .shape = &rlimit },
        { "noNewPrivileges", J_BOOL, AT(spec_process, no_new_privileges) },
        { "apparmorProfile", J_STR, AT(spec_process, apparmor_profile) },
        { "selinuxLabel",    J_STR, AT(spec_process, selinux_label) },
        { "oomScoreAdj",     J_INT, AT(spec_process, oom_score_adj), .min = -1000, .max = 1000 },
        { "scheduler",       J_OBJ, AT(spec_process, scheduler), .shape = &scheduler },
        { "ioPriority",      J_OBJ, AT(spec_process, io_priority), .shape = &io_priority },
        { "execCPUAffinity", J_OBJ, AT(spec_process, exec_cpu_affinity), .shape = &cpu_affinity },
        { 0 },
};
SHAPE(spec_process_shape, spec_process);

/* root, mounts, hooks */

static const struct json_field root_fields[] = {
        { "path",     J_STR, AT(spec_root, path), .required = true },
        { "readonly", J_BOOL, AT(spec_root, readonly) },
        { 0 },
};
static SHAPE(root, spec_root);

static const struct json_field mount_fields[] = {
        { "destination", J_STR, AT(spec_mount, destination), .required = true },
        { "source",      J_STR, AT(spec_mount, source) },
        { "type",        J_STR, AT(spec_mount, type) },
        { "options",     J_LIST, J_STR, AT(spec_mount, options) },
        { "uidMappings", J_LIST, J_OBJ, AT(spec_mount, uid_mappings), .shape = &id_mapping },
        { "gidMappings", J_LIST, J_OBJ, AT(spec_mount, gid_mappings), .shape = &id_mapping },
        { 0 },
};
static SHAPE(mount, spec_mount);

static const struct json_field hook_fields[] = {
        { "path",    J_STR, AT(spec_hook, path), .required = true },
        { "args",    J_LIST, J_STR, AT(spec_hook, args) },
        { "env",     J_LIST, J_STR, AT(spec_hook, env) },
        { "timeout", J_INT, AT(spec_hook, timeout), ANY_INT },
        { 0 },
};
static SHAPE(hook, spec_hook);

static const struct json_field hooks_fields[] = {
        { "prestart",        J_LIST, J_OBJ, AT(spec_hooks, prestart), .shape = &hook },
        { "createRuntime",   J_LIST, J_OBJ, AT(spec_hooks, create_runtime), .shape = &hook },
        { "createContainer", J_LIST, J_OBJ, AT(spec_hooks, create_container), .shape = &hook },
        { "startContainer",  J_LIST, J_OBJ, AT(spec_hooks, start_container), .shape = &hook },
        { "poststart",       J_LIST, J_OBJ, AT(spec_hooks, poststart), .shape = &hook },
        { "poststop",        J_LIST, J_OBJ, AT(spec_hooks, poststop), .shape = &hook },
        { 0 },
};
static SHAPE(hooks, spec_hooks);

/* linux.resources */

static const struct json_field device_rule_fields[] = {
        { "allow",  J_BOOL, AT(spec_device_rule, allow), .required = true },
        { "type",   J_ENUM, AT(spec_device_rule, type), .names = spec_rule_type_names },
        { "major",  J_INT, AT(spec_device_rule, major), DEVICE_NUMBER },
        { "minor",  J_INT, AT(spec_device_rule, minor), DEVICE_NUMBER },
        { "access", J_STR, AT(spec_device_rule, access) },
        { 0 },
};
static SHAPE(device_rule, spec_device_rule);

static const struct json_field memory_fields[] = {
        { "limit",             J_INT, AT(spec_memory, limit), ANY_INT },
        { "reservation",       J_INT, AT(spec_memory, reservation), ANY_INT },
        { "swap",              J_INT, AT(spec_memory, swap), ANY_INT },
        { "kernel",            J_INT, AT(spec_memory, kernel), ANY_INT },
        { "kernelTCP",         J_INT, AT(spec_memory, kernel_tcp), ANY_INT },
        { "swappiness",        J_UINT, AT(spec_memory, swappiness) },
        { "disableOOMKiller",  J_BOOL, AT(spec_memory, disable_oom_killer) },
        { "useHierarchy",      J_BOOL, AT(spec_memory, use_hierarchy) },
        { "checkBeforeUpdate", J_BOOL, AT(spec_memory, check_before_update) },
        { 0 },
};
static SHAPE(memory, spec_memory);

static const struct json_field cpu_fields[] = {
        { "shares",          J_UINT, AT(spec_cpu, shares) },
        { "quota",           J_INT, AT(spec_cpu, quota), ANY_INT },
        { "burst",           J_UINT, AT(spec_cpu, burst) },
        { "period",          J_UINT, AT(spec_cpu, period) },
        { "realtimeRuntime", J_INT, AT(spec_cpu, realtime_runtime), ANY_INT },
        { "realtimePeriod",  J_UINT, AT(spec_cpu, realtime_period) },
        { "cpus",            J_STR, AT(spec_cpu, cpus) },
        { "mems",            J_STR, AT(spec_cpu, mems) },
        { "idle",            J_INT, AT(spec_cpu, idle), ANY_INT },
        { 0 },
};
static SHAPE(cpu, spec_cpu);

static const struct json_field pids_fields[] = {
        { "limit", J_INT, AT(spec_pids, limit), ANY_INT },
        { 0 },
};
static SHAPE(pids, spec_pids);

static const struct json_field throttle_fields[] = {
        { "major", J_INT, AT(spec_throttle, major), DEVICE_NUMBER, .required = true },
        { "minor", J_INT, AT(spec_throttle, minor), DEVICE_NUMBER, .required = true },
        { "rate",  J_U64, AT(spec_throttle, rate), .required = true },
        { 0 },
};
static SHAPE(throttle, spec_throttle);

static const struct json_field weight_fields[] = {
        { "major",      J_INT, AT(spec_weight, major), DEVICE_NUMBER, .required = true },
        { "minor",      J_INT, AT(spec_weight, minor), DEVICE_NUMBER, .required = true },
        { "weight",     J_UINT, AT(spec_weight, weight), .max = UINT16_MAX },
        { "leafWeight", J_UINT, AT(spec_weight, leaf_weight), .max = UINT16_MAX },
        { 0 },
};
static SHAPE(weight, spec_weight);

static const struct json_field block_io_fields[] = {
        { "weight",                  J_UINT, AT(spec_block_io, weight), .max = UINT16_MAX },
        { "leafWeight",              J_UINT, AT(spec_block_io, leaf_weight), .max = UINT16_MAX },
        { "weightDevice",            J_LIST, J_OBJ, AT(spec_block_io, weight_device),
                                     .shape = &weight },
        { "throttleReadBpsDevice",   J_LIST, J_OBJ, AT(spec_block_io, read_bps),
                                     .shape = &throttle },
        { "throttleWriteBpsDevice",  J_LIST, J_OBJ, AT(spec_block_io, write_bps),
                                     .shape = &throttle },
        { "throttleReadIOPSDevice",  J_LIST, J_OBJ, AT(spec_block_io, read_iops),
                                     .shape = &throttle },
        { "throttleWriteIOPSDevice", J_LIST, J_OBJ, AT(spec_block_io, write_iops),
                                     .shape = &throttle },
        { 0 },
};
static SHAPE(block_io, spec_block_io);

static const struct json_field hugepage_fields[] = {
        { "pageSize", J_STR, AT(spec_hugepage, page_size), .required = true },
        { "limit",    J_U64, AT(spec_hugepage, limit), .required = true },
        { 0 },
};
static SHAPE(hugepage, spec_hugepage);

static const struct json_field interface_priority_fields[] = {
        { "name",     J_STR, AT(spec_interface_priority, name), .required = true },
        { "priority", J_U32, AT(spec_interface_priority, priority), .required = true },
        { 0 },
};
static SHAPE(interface_priority, spec_interface_priority);

static const struct json_field network_fields[] = {
        { "classID",    J_UINT, AT(spec_network, class_id), .max = UINT32_MAX },
        { "priorities", J_LIST, J_OBJ, AT(spec_network, priorities),
                        .shape = &interface_priority },
        { 0 },
};
static SHAPE(network, spec_network);

static const struct json_field rdma_fields[] = {
        { "hcaHandles", J_UINT, AT(spec_rdma, hca_handles), .max = UINT32_MAX },
        { "hcaObjects", J_UINT, AT(spec_rdma, hca_objects), .max = UINT32_MAX },
        { 0 },
};
static SHAPE(rdma, spec_rdma);

static const struct json_field spec_resources_shape_fields[] = {
        { "devices",        J_LIST, J_OBJ, AT(spec_resources, devices), .shape = &device_rule },
        { "memory",         J_OBJ, AT(spec_resources, memory), .shape = &memory },
        { "cpu",            J_OBJ, AT(spec_resources, cpu), .shape = &cpu },
        { "pids",           J_OBJ, AT(spec_resources, pids), .shape = &pids },
        { "blockIO",        J_OBJ, AT(spec_resources, block_io), .shape = &block_io },
        { "hugepageLimits", J_LIST, J_OBJ, AT(spec_resources, hugepage_limits),
                            .shape = &hugepage },
        { "network",        J_OBJ, AT(spec_resources, network), .shape = &network },
        { "rdma",           J_MAP, J_OBJ, AT(spec_resources, rdma), .shape = &rdma },
        { "unified",        J_MAP, J_STR, AT(spec_resources, unified) },
        { 0 },
};
SHAPE(spec_resources_shape, spec_resources);

/* linux.seccomp */

static const struct json_field syscall_arg_fields[] = {
        { "index",    J_U32, AT(spec_syscall_arg, index), .required = true, .max = 5 },
        { "value",    J_U64, AT(spec_syscall_arg, value), .required = true },
        { "valueTwo", J_U64, AT(spec_syscall_arg, value_two) },
        { "op",       J_ENUM, AT(spec_syscall_arg, op), .required = true,
                      .names = spec_seccomp_compare_names },
        { 0 },
};
static SHAPE(syscall_arg, spec_syscall_arg);

static const struct json_field syscall_fields[] = {
        { "names",    J_LIST, J_STR, AT(spec_syscall, names), .required = true },
        { "action",   J_ENUM, AT(spec_syscall, action), .required = true,
                      .names = spec_seccomp_action_names },
        { "errnoRet", J_UINT, AT(spec_syscall, errno_ret), .max = UINT32_MAX },
        { "args",     J_LIST, J_OBJ, AT(spec_syscall, args), .shape = &syscall_arg },
        { 0 },
};
static SHAPE(syscall, spec_syscall);

static const struct json_field seccomp_fields[] = {
        { "defaultAction",    J_ENUM, AT(spec_seccomp, default_action), .required = true,
                              .names = spec_seccomp_action_names },
        { "defaultErrnoRet",  J_UINT, AT(spec_seccomp, default_errno_ret), .max = UINT32_MAX },
        { "architectures",    J_LIST, J_ENUM, AT(spec_seccomp, architectures),
                              .names = spec_seccomp_arch_names },
        { "flags",            J_LIST, J_ENUM, AT(spec_seccomp, flags),
                              .names = spec_seccomp_flag_names },
        { "listenerPath",     J_STR, AT(spec_seccomp, listener_path) },
        { "listenerMetadata", J_STR, AT(spec_seccomp, listener_metadata) },
        { "syscalls",         J_LIST, J_OBJ, AT(spec_seccomp, syscalls), .shape = &syscall },
        { 0 },
};
static SHAPE(seccomp, spec_seccomp);

/* linux */

static const struct json_field namespace_fields[] = {
        { "type", J_ENUM, AT(spec_namespace, type), .required = true,
                  .names = spec_namespace_names },
        { "path", J_STR, AT(spec_namespace, path) },
        { 0 },
};
static SHAPE(namespace, spec_namespace);

static const struct json_field device_fields[] = {
        { "type",     J_ENUM, AT(spec_device, type), .required = true,
                      .names = spec_device_type_names },
        { "path",     J_STR, AT(spec_device, path), .required = true },
        { "major",    J_INT, AT(spec_device, major), DEVICE_NUMBER },
        { "minor",    J_INT, AT(spec_device, minor), DEVICE_NUMBER },
        { "fileMode", J_UINT, AT(spec_device, file_mode), .max = UINT32_MAX },
        { "uid",      J_UINT, AT(spec_device, uid), .max = SPEC_ID_MAX },
        { "gid",      J_UINT, AT(spec_device, gid), .max = SPEC_ID_MAX },
        { 0 },
};
static SHAPE(device, spec_device);

static const struct json_field net_device_fields[] = {
        { "name", J_STR, AT(spec_net_device, name) },
        { 0 },
};
static SHAPE(net_device, spec_net_device);

static const struct json_field intel_rdt_fields[] = {
        { "closID",           J_STR, AT(spec_intel_rdt, clos_id) },
        { "l3CacheSchema",    J_STR, AT(spec_intel_rdt, l3_cache_schema) },
        { "memBwSchema",      J_STR, AT(spec_intel_rdt, mem_bw_schema) },
        { "schemata",         J_LIST, J_STR, AT(spec_intel_rdt, schemata) },
        { "enableMonitoring", J_BOOL, AT(spec_intel_rdt, enable_monitoring) },
        { 0 },
};
static SHAPE(intel_rdt, spec_intel_rdt);

static const struct json_field memory_policy_fields[] = {
        { "mode",  J_ENUM, AT(spec_memory_policy, mode), .required = true,
                   .names = spec_memory_mode_names },
        { "nodes", J_STR, AT(spec_memory_policy, nodes) },
        { "flags", J_LIST, J_ENUM, AT(spec_memory_policy, flags),
                   .names = spec_memory_flag_names },
        { 0 },
};
static SHAPE(memory_policy, spec_memory_policy);

static const struct json_field personality_fields[] = {
        { "domain", J_ENUM, AT(spec_personality, domain), .required = true,
                    .names = spec_personality_names },
        { "flags",  J_LIST, J_STR, AT(spec_personality, flags) },
        { 0 },
};
static SHAPE(personality, spec_personality);

static const struct json_field time_offset_fields[] = {
        { "secs",     J_INT, AT(spec_time_offset, secs), ANY_INT },
        { "nanosecs", J_U32, AT(spec_time_offset, nanosecs), .max = 999999999 },
        { 0 },
};
static SHAPE(time_offset, spec_time_offset);

static const struct json_field linux_part_fields[] = {
        { "namespaces",        J_LIST, J_OBJ, AT(spec_linux, namespaces), .shape = &namespace },
        { "uidMappings",       J_LIST, J_OBJ, AT(spec_linux, uid_mappings), .shape = &id_mapping },
        { "gidMappings",       J_LIST, J_OBJ, AT(spec_linux, gid_mappings), .shape = &id_mapping },
        { "devices",           J_LIST, J_OBJ, AT(spec_linux, devices), .shape = &device },
        { "netDevices",        J_MAP, J_OBJ, AT(spec_linux, net_devices), .shape = &net_device },
        { "cgroupsPath",       J_STR, AT(spec_linux, cgroups_path) },
        { "resources",         J_OBJ, AT(spec_linux, resources), .shape = &spec_resources_shape },
        { "rootfsPropagation", J_ENUM, AT(spec_linux, rootfs_propagation),
                               .names = spec_propagation_names },
        { "seccomp",           J_OBJ, AT(spec_linux, seccomp), .shape = &seccomp },
        { "sysctl",            J_MAP, J_STR, AT(spec_linux, sysctl) },
        { "maskedPaths",       J_LIST, J_STR, AT(spec_linux, masked_paths) },
        { "readonlyPaths",     J_LIST, J_STR, AT(spec_linux, readonly_paths) },
        { "mountLabel",        J_STR, AT(spec_linux, mount_label) },
        { "intelRdt",          J_OBJ, AT(spec_linux, intel_rdt), .shape = &intel_rdt },
        { "memoryPolicy",      J_OBJ, AT(spec_linux, memory_policy), .shape = &memory_policy },
        { "personality",       J_OBJ, AT(spec_linux, personality), .shape = &personality },
        { "timeOffsets",       J_MAP, J_OBJ, AT(spec_linux, time_offsets), .shape = &time_offset },
        { 0 },
};
static SHAPE(linux_part, spec_linux);

/* the document */

static const struct json_field nothing_fields[] = { { 0 } };
static const struct json_shape nothing = { sizeof(char), nothing_fields };

static const struct json_field spec_shape_fields[] = {
        { "ociVersion",  J_STR, AT(spec, oci_version), .required = true },
        { "root",        J_OBJ, AT(spec, root), .shape = &root },
        { "process",     J_OBJ, AT(spec, process), .shape = &spec_process_shape },
        { "hostname",    J_STR, AT(spec, hostname) },
        { "domainname",  J_STR, AT(spec, domainname) },
        { "mounts",      J_LIST, J_OBJ, AT(spec, mounts), .shape = &mount },
        { "hooks",       J_OBJ, AT(spec, hooks), .shape = &hooks },
        { "annotations", J_MAP, J_STR, AT(spec, annotations) },
        { "linux",       J_OBJ, AT(spec, linux_), .shape = &linux_part },
        { "vm",          J_OBJ, AT(spec, vm), .shape = &nothing },
        { "freebsd",     J_SKIP }, /* other platforms' parts are theirs to check */
        { "solaris",     J_SKIP },
        { "windows",     J_SKIP },
        { "zos",         J_SKIP },
        { 0 },
};
SHAPE(spec_shape, spec);

#define HOOK(key, member) { key, offsetof(struct spec_hooks, member) }
const struct name spec_hook_names[] = {
        HOOK("prestart", prestart), HOOK("createRuntime", create_runtime),
        HOOK("createContainer", create_container), HOOK("startContainer", start_container),
        HOOK("poststart", poststart), HOOK("poststop", poststop), { NULL, 0 },
};
/* clang-format on */
