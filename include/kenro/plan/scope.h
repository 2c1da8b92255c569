/* The container's scope of systemd: its limits, each as a file and as a property. */
#pragma once

#include "kenro/part/cgroup_limit.h"
#include "kenro/plan/plan.h"

/* In place of a group of the cgroupfs manager. R has its limits already. */
int scope_plan(const struct spec *s, const struct plan_input *in, struct arena *a, struct plan *r,
               struct err *e);

/* The properties that go with CHANGES, for a scope that is there. */
int scope_plan_changes(const struct cgroup_limit_plan *changes, bool bfq, struct arena *a,
                       struct systemd_properties *ret, struct err *e);
