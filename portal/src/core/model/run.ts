/**
 * One run as the ledger's records tell it: states, attempts, gates, incidents.
 *
 * Records may come twice or begin in the middle (a snapshot comes first, then the stream since its sequence number),
 * so taking one up twice changes nothing. The model is mutable and counts versions: per row for the matrix, and one
 * for all, so that what did not change keeps its identity on the page.
 */
import type { EventView, Outlook, PlanNode, PlanView, RunDetail, SpansView, TaskState, TaskView, Verdict } from '../api/types'

export interface Span {
  task: string
  attempt: number
  start: number
  end: number | null
  ok: boolean
  changed: boolean
  error: string
  errorClass: string
  fingerprint: string
}

export interface TaskNow {
  readonly node: PlanNode
  readonly row: Row
  state: TaskState
  since: number
  reason: string
  attempts: number
  retryAt: number | null
  last: Span | null
}

/** A region's tasks, or with `region` null the network's. */
export interface Row {
  readonly region: string | null
  readonly wave: number | null
  readonly tasks: TaskNow[]
  version: number
}

export interface GateNow {
  task: string
  approved: boolean | null
  by: string
  reason: string
  evidence: string
  needsPerson: boolean
}

export const OVER: ReadonlySet<TaskState> = new Set<TaskState>(['succeeded', 'failed', 'skipped', 'cancelled'])

type Fields = Record<string, unknown> & { type?: string }
const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const number = (value: unknown): number | null => (typeof value === 'number' ? value : null)

export class RunModel {
  readonly tasks = new Map<string, TaskNow>()
  readonly rows: Row[] = []
  readonly gates = new Map<string, GateNow>()
  readonly spans: Span[] = []
  readonly incidents: string[] = []
  readonly counts: Record<TaskState, number> = {
    waiting: 0, ready: 0, running: 0, 'backing-off': 0, 'at-gate': 0, succeeded: 0, failed: 0, skipped: 0, cancelled: 0,
  }
  version = 0
  seq = 0
  /** Seconds on the run's axis of the last record, and the server's clock then. */
  at = 0
  wall = 0
  beganWall = 0
  paused = false
  cancelling = false
  verdict: Verdict | null = null
  verdicts: Record<string, Verdict> = {}
  outlook: Outlook | null = null
  /** When it will end, on its axis: eight of ten times in that range. */
  ends: { low: number; p50: number; high: number } | null = null
  throttled = 0
  retries = 0
  private readonly spanOf = new Map<string, Span>()

  constructor(readonly run: string, readonly environment: string, readonly plan: PlanView) {
    const rows = new Map<string | null, Row>()
    for (const node of plan.nodes) {
      const region = node.region ?? null
      let row = rows.get(region)
      if (!row) {
        row = { region, wave: node.wave ?? null, tasks: [], version: 0 }
        rows.set(region, row)
        if (region !== null) this.rows.push(row)
      }
      const task: TaskNow = { node, row, state: 'waiting', since: 0, reason: '', attempts: 0, retryAt: null, last: null }
      row.tasks.push(task)
      this.tasks.set(node.id, task)
      if (node.kind === 'gate') this.gates.set(node.id, { task: node.id, approved: null, by: '', reason: '', evidence: '', needsPerson: false })
    }
    this.counts.waiting = plan.nodes.length
    this.network = rows.get(null) ?? { region: null, wave: null, tasks: [], version: 0 }
  }

  readonly network: Row

  /** Begin at the server's snapshot; the stream goes on after `detail.seq`. */
  restore(detail: RunDetail, tasks: readonly TaskView[], spans: SpansView): void {
    this.seq = detail.seq
    this.at = detail.elapsed_s
    this.wall = detail.last_wall
    this.beganWall = detail.began_wall
    this.paused = detail.state === 'paused'
    this.cancelling = detail.state === 'cancelling'
    this.verdict = detail.verdict ?? null
    this.outlook = detail.outlook ?? null
    this.ends = detail.ends ? { low: detail.ends.low_s, p50: detail.ends.p50_s, high: detail.ends.high_s } : null
    this.throttled = detail.throttled ?? 0
    for (const row of detail.rows) if (row.verdict) this.verdicts[row.region] = row.verdict
    for (const span of spans.spans) {
      this.addSpan({
        task: span.task, attempt: span.attempt, start: span.start, end: span.end ?? null, ok: span.ok ?? false,
        changed: span.changed ?? false, error: span.error ?? '', errorClass: span.error_class ?? '', fingerprint: '',
      })
    }
    for (const view of tasks) {
      const task = this.tasks.get(view.id)
      if (!task) continue
      this.move(task, view.state, view.since_at ?? 0, view.reason ?? '')
      task.attempts = view.attempts ?? 0
      task.retryAt = view.retry_at ?? null
    }
    for (const gate of detail.gates ?? []) {
      this.gates.set(gate.task, {
        task: gate.task, approved: gate.approved ?? null, by: gate.by ?? '', reason: gate.reason ?? '',
        evidence: gate.evidence ?? '', needsPerson: gate.needs_person ?? false,
      })
    }
    this.incidents.push(...(detail.incidents ?? []))
    this.version++
  }

  /** Take up one record of the ledger; records of other runs are refused. */
  apply(record: EventView): void {
    if (record.run !== this.run) return
    this.seq = Math.max(this.seq, record.seq)
    this.at = Math.max(this.at, record.at)
    this.wall = record.wall
    this.beganWall ||= record.wall - record.at
    this.version++
    const event = record.event as Fields
    if (record.kind === 'note') this.note(record, event)
    else if (record.kind === 'record') this.see(event, record.at)
    else if (record.kind === 'request') this.asked(event)
  }

  private note(record: EventView, event: Fields): void {
    if (record.subject === 'outlook') {
      this.outlook = { ...(event as unknown as Outlook), at: record.at, wall: record.wall }
      return
    }
    if (record.subject === 'ends') {
      this.ends = { low: number(event['low_s']) ?? 0, p50: number(event['p50_s']) ?? 0, high: number(event['high_s']) ?? 0 }
      return
    }
    const gate = this.gates.get(record.subject ?? '')
    if (!gate) return
    gate.evidence = text(event['reason'])
    gate.needsPerson = event['needs_person'] === true
  }

  private asked(event: Fields): void {
    if (event.type === 'CancelRequested') this.cancelling = true
    if (event.type === 'RetryRequested') this.cancelling = false
  }

  private see(event: Fields, at: number): void {
    const task = this.tasks.get(text(event['task']))
    switch (event.type) {
      case 'StateChanged':
        if (task) this.changed(task, event, at)
        break
      case 'StartAttempt':
        if (task) this.started(task, number(event['attempt']) ?? 1, at)
        break
      case 'AttemptSucceeded':
        this.ended(event, at, { ok: true, changed: event['changed'] !== false })
        break
      case 'AttemptFailed':
        this.ended(event, at, {
          error: text(event['message']), errorClass: text(event['error_class']), fingerprint: text(event['fingerprint']),
        })
        break
      case 'GateDecided':
        this.decided(event)
        break
      case 'LimitObserved':
        this.throttled += number(event['throttled']) ?? 0
        break
      case 'Incident':
        if (!this.incidents.includes(text(event['message']))) this.incidents.push(text(event['message']))
        break
      case 'PauseRequested':
        this.paused = true
        break
      case 'ResumeRequested':
        this.paused = false
        break
      case 'CancelRequested':
        this.cancelling = true
        break
      case 'Finish':
        this.verdict = event['verdict'] as Verdict
        this.verdicts = { ...(event['regions'] as Record<string, Verdict> | undefined) }
        this.cancelling = false
        break
    }
  }

  private changed(task: TaskNow, event: Fields, at: number): void {
    const state = event['state'] as TaskState
    this.move(task, state, at, text(event['reason']))
    task.retryAt = number(event['retry_at'])
    if (!OVER.has(state) && this.verdict !== null) {
      this.verdict = null
      this.verdicts = {}
    }
  }

  private started(task: TaskNow, attempt: number, at: number): void {
    task.attempts = Math.max(task.attempts, attempt)
    this.addSpan({
      task: task.node.id, attempt, start: at, end: null, ok: false, changed: false, error: '', errorClass: '', fingerprint: '',
    })
  }

  private ended(event: Fields, at: number, facts: Partial<Span>): void {
    const span = this.spanOf.get(`${text(event['task'])} ${number(event['attempt']) ?? 1}`)
    if (!span || span.end !== null) {
      if (span && facts.fingerprint) span.fingerprint = facts.fingerprint
      return
    }
    Object.assign(span, facts, { end: at })
    const task = this.tasks.get(span.task)
    if (task) task.row.version++
  }

  private decided(event: Fields): void {
    const gate = this.gates.get(text(event['task']))
    if (!gate) return
    gate.approved = event['approved'] === true
    gate.by = text(event['by'])
    gate.reason = text(event['reason'])
  }

  private move(task: TaskNow, state: TaskState, at: number, reason: string): void {
    this.counts[task.state]--
    this.counts[state]++
    task.state = state
    task.since = at
    task.reason = reason
    task.row.version++
  }

  private addSpan(span: Span): void {
    const key = `${span.task} ${span.attempt}`
    if (this.spanOf.has(key)) return
    this.spanOf.set(key, span)
    this.spans.push(span)
    if (span.attempt > 1) this.retries++
    const task = this.tasks.get(span.task)
    if (!task) return
    task.last = span
    task.attempts = Math.max(task.attempts, span.attempt)
    task.row.version++
  }

  get total(): number {
    return this.plan.nodes.length
  }
}

/** The run as it stood at `seq`: the plan and the records up to there, nothing else. */
export function replay(run: string, environment: string, plan: PlanView, records: readonly EventView[], seq: number): RunModel {
  const model = new RunModel(run, environment, plan)
  for (const record of records) {
    if (record.seq > seq) break
    model.apply(record)
  }
  return model
}
