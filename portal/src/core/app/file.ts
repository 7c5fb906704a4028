/** Answers requests from an exported run, as the server would. */
import type { EnvironmentSummary, RegionFacts, RunExport, TaskView } from '../api/types'
import { localProblem } from '../api/client'
import { replay } from '../model/run'

export interface FileContents {
  readonly data: RunExport
  readonly regions: readonly RegionFacts[]
}

export function fileFetch(contents: FileContents): typeof fetch {
  const { data } = contents
  const run = `/environments/${data.run.environment}/runs/${data.run.run}`
  const summary = { ...data.run, allowed: [] }
  const answers: Record<string, () => unknown> = {
    '/meta': () => ({ name: 'chainfleet', version: data.version, api: 'v1', mode: 'local', oidc: false, ui: 'vue', available_ui: [], read_only: true, now_wall: data.exported_wall, epoch: 'file', sse_ping_s: 15 }),
    '/session': () => ({ name: data.run.by ?? '', role: 'viewer', kind: 'token', token_id: 'file', permissions: ['read'] }),
    '/environments': () => ({ items: [environmentOf(data)], next: null }),
    '/environments?archived=true': () => ({ items: [], next: null }),
    '/regions': () => ({ items: contents.regions, next: null }),
    [`/environments/${data.run.environment}/runs`]: () => ({ items: [summary], next: null }),
    [run]: () => summary,
    [`${run}/plan`]: () => data.plan,
    [`${run}/spans`]: () => data.spans,
    [`${run}/events`]: () => ({ events: data.events, head: data.run.seq, next: data.run.seq }),
    [`${run}/tasks`]: () => ({ items: tasksOf(data), next: null }),
  }
  return (input) => {
    const address = String(input).replace(/^.*\/api\/v1/, '')
    const answer = answers[address] ?? answers[address.split('?', 1)[0]!]
    const body = answer ? answer() : { ...localProblem('This is not in the file', 404) }
    return Promise.resolve(new Response(JSON.stringify(body), { status: answer ? 200 : 404, headers: { 'Content-Type': 'application/json' } }))
  }
}

function environmentOf(data: RunExport): Partial<EnvironmentSummary> {
  return { name: data.run.environment, revision: 0, etag: '', fleet: null, target: { emulated: false, allow_mainnet: false }, archived: false, health: 'unknown', run: data.run, history: [], allowed: [], head: data.run.seq }
}

function tasksOf(data: RunExport): TaskView[] {
  const model = replay(data.run.run, data.run.environment, data.plan, data.events, Infinity)
  return [...model.tasks.values()].map((task) => ({
    id: task.node.id, phase: task.node.phase, kind: task.node.kind, region: task.node.region ?? null, wave: task.node.wave ?? null, state: task.state, reason: task.reason,
    attempts: task.attempts, since_at: task.since, retry_at: task.retryAt, seconds: 0, median_s: task.node.median_s ?? 0,
  }))
}
