/** A recorded run of `make demo`: 24 regions, 204 tasks. */
import type { EventView, PlanView } from '../src/core/api/types'
import data from './data/run.json'
import { RunModel } from '../src/core/model/run'

const recorded = data as unknown as { plan: PlanView; events: EventView[] }
export const plan = recorded.plan
export const events = recorded.events
export const RUN = events[0]!.run

export function played(until = Infinity): RunModel {
  const model = new RunModel(RUN, 'dev', plan)
  for (const event of events) if (event.seq <= until) model.apply(event)
  return model
}

let seq = 100_000
export function event(fields: Record<string, unknown>, at = 30): EventView {
  return { environment: 'dev', seq: ++seq, run: RUN, at, wall: 1e9 + at, kind: 'record', subject: String(fields['task'] ?? ''), event: fields }
}
