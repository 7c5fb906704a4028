/** A page's surroundings, made of a recorded run: the application sees a server, a clock and an address that tests hold in hand. */
import { fileFetch } from '../src/core/app/file'
import type { World } from '../src/core/app/world'
import type { EventView, RunExport } from '../src/core/api/types'
import { plan, played, RUN } from './recorded'

export function contents(records: EventView[]): RunExport {
  const model = played(records.at(-1)!.seq)
  const run = {
    environment: 'dev', run: RUN, kind: 'deploy', state: model.verdict ? 'finished' : 'running', verdict: model.verdict, mode: 'ultra', revision: '', by: 'ada', reason: '', began_wall: 1e9, last_wall: 1e9 + model.at,
    elapsed_s: model.at, tasks: {}, regions: {}, retries: 0, throttled: 0, seq: model.seq, allowed: ['pause', 'cancel', 'retry'], sentence: '', phases: [], rows: [], network: {}, waves: [], gates: [], clusters: [], stragglers: [], incidents: [], outlook: null, outputs: {}, command: '',
  }
  const spans = model.spans.map((span) => ({ task: span.task, region: null, phase: 'besu', attempt: span.attempt, start: span.start, end: span.end, ok: span.ok, changed: true, error: span.error, error_class: '', critical: false }))
  return { exported_wall: 1e9, version: '0', run, plan, spans: { seq: model.seq, last_at: model.at, spans, critical: [] }, events: records } as unknown as RunExport
}

export function world(data: RunExport, hash: string): World {
  const values = new Map<string, string>([['chainfleet-token', 'x']])
  const shelf = { getItem: (key: string) => values.get(key) ?? null, setItem: (key: string, value: string) => void values.set(key, value), removeItem: (key: string) => void values.delete(key) }
  let place = hash
  return {
    base: '', origin: 'http://x', framework: 'test', fetch: fileFetch({ data, regions: [] }), connect: () => ({ send: () => undefined }),
    address: { hash: () => place, replaceHash: (to) => void (place = to), go: (to) => void (place = to) },
    local: { ...shelf, getItem: () => null }, session: shelf, language: 'en', now: () => 1e12, newKey: () => 'key', after: () => () => undefined,
    copy: () => Promise.resolve(), save: () => undefined, readAsset: () => Promise.resolve(''), applyTheme: () => undefined, setTitle: () => undefined, focus: () => undefined, switchFramework: () => undefined,
  }
}
