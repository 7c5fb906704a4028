/** What stands out in a run: causes shared by many tasks, regions slower than their peers, what determined the end. */
import type { RunModel, Span, TaskNow } from './run'
import { actionOf } from './matrix'

export interface Cluster {
  readonly key: string
  readonly errorClass: string
  readonly message: string
  readonly tasks: readonly string[]
  readonly regions: readonly string[]
  readonly standing: boolean
}

/** Take out what differs from region to region: names, numbers, addresses, ids. */
export function normalise(message: string, names: readonly string[] = []): string {
  let text = message
  for (const name of names) text = text.split(name).join('·')
  return text
    .replace(/0x[0-9a-f]{4,}/gi, '·')
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, '·')
    .replace(/\d+(\.\d+)*/g, '#')
    .replace(/\s+/g, ' ')
    .trim()
}

/** Tasks that failed alike, most regions first; those that were repaired since are left out. */
export function clusters(model: RunModel): Cluster[] {
  const found = new Map<string, { errorClass: string; message: string; tasks: string[]; regions: Set<string>; standing: boolean }>()
  const names = model.rows.map((row) => row.region ?? '').sort((a, b) => b.length - a.length)
  for (const task of model.tasks.values()) {
    if (task.state !== 'failed' && task.state !== 'backing-off') continue
    const error = task.last?.error || task.reason
    const errorClass = task.last?.errorClass ?? ''
    const key = `${errorClass} ${normalise(error, names)}`
    const group = found.get(key) ?? { errorClass, message: error, tasks: [], regions: new Set<string>(), standing: false }
    group.tasks.push(task.node.id)
    group.regions.add(task.node.region ?? 'network')
    group.standing ||= task.state === 'failed'
    found.set(key, group)
  }
  return [...found.entries()]
    .map(([key, group]) => ({ ...group, key, regions: [...group.regions] }))
    .sort((a, b) => Number(b.standing) - Number(a.standing) || b.regions.length - a.regions.length || a.key.localeCompare(b.key))
}

export interface Straggler {
  readonly task: string
  readonly region: string
  readonly seconds: number
  readonly median: number
  readonly factor: number
  readonly peers: number
  readonly running: boolean
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const FEWEST_PEERS = 4
const SCORE = 3.5
const LEAST_FACTOR = 1.5
// A step of a blink is noise, however large the ratio.
const LEAST_SECONDS = 1

/**
 * Robust z-score over the regions of one step (median and MAD: one slow region must not hide itself by
 * stretching the spread). A running attempt counts with the time it has taken so far.
 */
export function stragglers(model: RunModel, now: number): Straggler[] {
  const groups = new Map<string, TaskNow[]>()
  for (const task of model.tasks.values()) {
    if (!task.node.region || !task.last) continue
    const key = `${task.node.phase}/${actionOf(task.node.id)}`
    const group = groups.get(key)
    if (group) group.push(task)
    else groups.set(key, [task])
  }
  const found: Straggler[] = []
  for (const tasks of groups.values()) {
    const ended = tasks.filter(({ last }) => last!.end !== null && last!.ok).map(({ last }) => last!.end! - last!.start)
    if (ended.length < FEWEST_PEERS) continue
    const middle = median(ended)
    const spread = Math.max(1.4826 * median(ended.map((value) => Math.abs(value - middle))), middle * 0.05, 1e-6)
    for (const task of tasks) {
      const running = task.last!.end === null
      const seconds = (task.last!.end ?? now) - task.last!.start
      const factor = seconds / Math.max(middle, 1e-6)
      if ((seconds - middle) / spread < SCORE || factor < LEAST_FACTOR || seconds < LEAST_SECONDS) continue
      found.push({ task: task.node.id, region: task.node.region!, seconds, median: middle, factor, peers: ended.length, running })
    }
  }
  return found.sort((a, b) => Number(b.running) - Number(a.running) || b.factor - a.factor)
}

/** The attempts that determined the end so far: from the last one back along whichever predecessor ended last. */
export function criticalPath(model: RunModel, now: number): Span[] {
  const end = (span: Span): number => span.end ?? now
  const spans = [...model.tasks.values()].flatMap((task) => (task.last ? [task.last] : []))
  if (spans.length === 0) return []
  let span = spans.reduce((a, b) => (end(b) > end(a) ? b : a))
  const chain = [span]
  for (;;) {
    const before = latestBefore(model, span, end)
    if (!before) return chain.reverse()
    chain.push(before)
    span = before
  }
}

function latestBefore(model: RunModel, span: Span, end: (span: Span) => number): Span | null {
  const node = model.tasks.get(span.task)!.node
  const waiting = [...(node.needs ?? []), ...(node.after ?? [])]
  const seen = new Set<string>()
  let found: Span | null = null
  while (waiting.length) {
    const id = waiting.pop()!
    if (seen.has(id)) continue
    seen.add(id)
    const task = model.tasks.get(id)
    if (!task) continue
    if (task.last) {
      if (end(task.last) <= span.start + 1e-3 && (!found || end(task.last) > end(found))) found = task.last
    } else {
      // Barriers and gates have no attempts: look through them.
      waiting.push(...(task.node.needs ?? []), ...(task.node.after ?? []))
    }
  }
  return found
}
