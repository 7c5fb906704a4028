"""The best schedule that CP-SAT finds in so many seconds; prints makespan and bound in milliseconds."""

import json
import sys
from pathlib import Path

from ortools.sat.python import cp_model

problem = json.loads(Path(sys.argv[1]).read_text())
model = cp_model.CpModel()
horizon = sum(duration for duration, _, _ in problem["tasks"])
starts, ends, users = [], [], {}
for number, (duration, needs, limit) in enumerate(problem["tasks"]):
    start = model.new_int_var(0, horizon, f"s{number}")
    end = model.new_int_var(0, horizon, f"e{number}")
    users.setdefault(limit, []).append(model.new_interval_var(start, duration, end, f"i{number}"))
    for need in needs:
        model.add(start >= ends[need])
    starts.append(start)
    ends.append(end)
for limit, intervals in users.items():
    model.add_cumulative(intervals, [1] * len(intervals), problem["capacity"][limit])
makespan = model.new_int_var(0, horizon, "makespan")
model.add_max_equality(makespan, ends)
model.minimize(makespan)
solver = cp_model.CpSolver()
solver.parameters.max_time_in_seconds = problem["seconds"]
solver.parameters.num_workers = 2
solver.parameters.random_seed = 1
status = solver.solve(model)
found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
print(
    json.dumps(
        {
            "makespan": int(solver.objective_value) if found else None,
            "bound": int(solver.best_objective_bound),
            "optimal": status == cp_model.OPTIMAL,
        }
    )
)
