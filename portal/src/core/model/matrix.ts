/** The region × step matrix: what each region's tasks of one step come to, rows kept by identity while unchanged. */
import type { Phase, TaskState } from '../api/types'
import { OVER, type Row, type RunModel, type TaskNow } from './run'

export const PHASES: readonly Phase[] = ['infrastructure', 'kubernetes', 'besu', 'contracts', 'monitoring', 'verification']

/** A column: the tasks that do the same in every region. */
export interface Step {
  readonly key: string
  readonly phase: Phase
  readonly action: string
}

export interface MatrixCell {
  readonly step: string
  readonly state: TaskState | null
  readonly done: number
  readonly total: number
  readonly since: number
  readonly seconds: number | null
  readonly attempts: number
  readonly reason: string
  readonly task: string
}

export interface MatrixRow {
  readonly region: string | null
  readonly wave: number | null
  readonly version: number
  readonly state: TaskState
  readonly cells: readonly MatrixCell[]
}

// The most telling state of several comes first.
const TELLING: readonly TaskState[] = [
  'failed', 'backing-off', 'at-gate', 'running', 'ready', 'cancelled', 'skipped', 'waiting', 'succeeded',
]

export const actionOf = (id: string): string => id.split('/', 2)[1] ?? id

export function stepsOf(model: RunModel): Step[] {
  const steps = new Map<string, Step>()
  for (const row of model.rows) {
    for (const { node } of row.tasks) {
      const key = `${node.phase}/${actionOf(node.id)}`
      if (!steps.has(key)) steps.set(key, { key, phase: node.phase, action: actionOf(node.id) })
    }
  }
  const layer = new Map<string, number>()
  for (const node of model.plan.nodes) {
    const key = `${node.phase}/${actionOf(node.id)}`
    layer.set(key, Math.max(layer.get(key) ?? 0, node.layer))
  }
  const place = (step: Step): number => PHASES.indexOf(step.phase) * 1e6 + (layer.get(step.key) ?? 0)
  return [...steps.values()].sort((a, b) => place(a) - place(b))
}

/** Waiting beside succeeded is under way, not done and not untouched. */
export function combine(tasks: readonly TaskNow[]): TaskState {
  const states = new Set(tasks.map((task) => task.state))
  const found = TELLING.find((state) => states.has(state)) ?? 'waiting'
  return found === 'waiting' && states.has('succeeded') ? 'ready' : found
}

function cellOf(step: Step, tasks: readonly TaskNow[]): MatrixCell {
  if (tasks.length === 0) {
    return { step: step.key, state: null, done: 0, total: 0, since: 0, seconds: null, attempts: 0, reason: '', task: '' }
  }
  const state = combine(tasks)
  const telling = tasks.find((task) => task.state === state) ?? tasks[0]!
  const over = tasks.every((task) => OVER.has(task.state))
  let seconds: number | null = null
  for (const { last } of over ? tasks : []) {
    if (last && last.end !== null) seconds = Math.max(seconds ?? 0, last.end - last.start)
  }
  return {
    step: step.key, state, seconds,
    done: tasks.filter((task) => task.state === 'succeeded').length,
    total: tasks.length,
    since: telling.since,
    attempts: Math.max(...tasks.map((task) => task.attempts)),
    reason: telling.last?.error || telling.reason,
    task: telling.node.id,
  }
}

export class Matrix {
  readonly steps: readonly Step[]
  private readonly groups = new Map<Row, TaskNow[][]>()
  private readonly cache = new Map<Row, MatrixRow>()
  private list: readonly MatrixRow[] = []

  constructor(private readonly model: RunModel) {
    this.steps = stepsOf(model)
    for (const row of model.rows) {
      this.groups.set(row, this.steps.map((step) => row.tasks.filter(({ node }) => `${node.phase}/${actionOf(node.id)}` === step.key)))
    }
  }

  /** The rows; the list and each row are the same objects as before where nothing changed. */
  rows(): readonly MatrixRow[] {
    const rows = this.model.rows.map((row) => this.row(row))
    if (rows.some((row, i) => row !== this.list[i])) this.list = rows
    return this.list
  }

  private row(row: Row): MatrixRow {
    const known = this.cache.get(row)
    if (known && known.version === row.version) return known
    const cells = this.groups.get(row)!.map((tasks, i) => this.keep(known?.cells[i], cellOf(this.steps[i]!, tasks)))
    const made: MatrixRow = { region: row.region, wave: row.wave, version: row.version, state: combine(row.tasks), cells }
    this.cache.set(row, made)
    return made
  }

  private keep(before: MatrixCell | undefined, now: MatrixCell): MatrixCell {
    if (!before) return now
    return (Object.keys(now) as (keyof MatrixCell)[]).every((key) => before[key] === now[key]) ? before : now
  }
}
