"""The samples as tables and as JSON."""

import json
import statistics

from measure import FLOOR

PEERS = ("crun", "runc")

# Goals as kenro/peer, by medians: how much of the peer's figure kenro's may be.
TIME_GOALS = {
    "run": {"crun": 0.50, "runc": 0.08},
    "create": {"crun": 0.50},
    "run, new profile": {"crun": 0.20},
    "exec": {"crun": 0.35, "runc": 0.10},
    "start": {"crun": 0.25},
    "state": {"crun": 0.25},
    "kill": {"crun": 0.25},
    "delete": {"crun": 0.25},
    "delete --force": {"crun": 0.15},
    "list": {"crun": 0.20},
}
RSS_GOAL = {"crun": 0.40}
WAITING_GOAL = {"crun": 0.40}
FAULTS_GOALS = {"run": {"crun": 0.35}}


def middle(values):
    return statistics.median(values) if values else 0


def ratios(medians, goals, less_is_better=True):
    """The columns that compare: each peer's figure by kenro's, and the goals missed."""
    cells, missed = [], []
    for peer in PEERS:
        own, other = medians["kenro"], medians[peer]
        ratio = (other / own if less_is_better else own / other) if own and other else 0
        goal = 1 / goals[peer] if peer in goals else 0
        cells.append(f"{ratio:7.1f}x" + (f" (>={goal:4.1f})" if goal else " " * 9))
        if ratio < goal:
            missed.append(peer)
    note = f"  missed: {', '.join(missed)}" if missed else ""
    return " ".join(cells) + note


def heading(title, columns):
    compare = " ".join(f"{peer + '/kenro (goal)':>17}" for peer in PEERS)
    print(f"\n{title:24}{columns}  {compare}")


def print_times(samples):
    names = ("kenro", *PEERS)
    heading("ms, median / minimum", "".join(f"{name:>18}" for name in names))
    for operation, by_name in samples.items():
        times = {name: [s.ms for s in by_name[name]] for name in names}
        cells = "".join(f"{middle(t):9.2f} /{min(t):7.2f}" for t in times.values())
        goals = TIME_GOALS.get(operation, TIME_GOALS.get(operation.split(" of ")[0], {}))
        medians = {name: middle(t) for name, t in times.items()}
        compare = "" if operation == FLOOR else ratios(medians, goals)
        print(f"{operation:24}{cells}  {compare}".rstrip())


def print_counts(title, rows, goals):
    """ROWS: {operation: {runtime: [figures]}}; GOALS: {operation: goal}."""
    heading(title, "".join(f"{name:>12}" for name in ("kenro", *PEERS)))
    for operation, by_name in rows.items():
        medians = {name: middle(by_name[name]) for name in ("kenro", *PEERS)}
        cells = "".join(f"{m:12.0f}" for m in medians.values())
        compare = "" if operation == FLOOR else ratios(medians, goals.get(operation, {}))
        print(f"{operation:24}{cells}  {compare}".rstrip())


def of(samples, attribute):
    return {operation: {name: [getattr(s, attribute) for s in v] for name, v in by_name.items()}
            for operation, by_name in samples.items()}


def print_all(bench):
    samples = bench.samples
    print_times(samples)
    rss = of(samples, "rss_kb")
    print_counts("peak RSS, kB", {**rss, "init before start": bench.waiting},
                 {**{o: RSS_GOAL for o in ("run", "create", "exec")},
                  "init before start": WAITING_GOAL})
    print_counts("minor page faults", of(samples, "faults"), FAULTS_GOALS)
    if bench.rates:
        heading("containers a second", "".join(f"{name:>12}" for name in ("kenro", *PEERS)))
        medians = {name: middle(bench.rates[name]) for name in ("kenro", *PEERS)}
        print(f"{'run, two at once':24}" + "".join(f"{m:12.0f}" for m in medians.values()) +
              f"  {ratios(medians, {}, less_is_better=False)}".rstrip())


def save(bench, path, facts):
    def summary(rows, function):
        return {operation: {name: function(v) for name, v in by_name.items()}
                for operation, by_name in rows.items()}

    times = of(bench.samples, "ms")
    path.write_text(json.dumps({
        **facts,
        "median_ms": summary(times, middle),
        "min_ms": summary(times, min),
        "peak_rss_kb": summary(of(bench.samples, "rss_kb"), middle),
        "minor_faults": summary(of(bench.samples, "faults"), middle),
        "waiting_rss_kb": {name: middle(v) for name, v in bench.waiting.items()},
        "containers_per_second": {name: middle(v) for name, v in bench.rates.items()},
    }, indent=1) + "\n")
