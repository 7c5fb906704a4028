/**
 * The runs that pages look at: opened from the server's snapshot, kept true by the feed, replayed at any record.
 */
import type { Client } from '../api/client'
import type { EventView, PlanView, RunDetail, SpansView, TaskView } from '../api/types'
import { Matrix } from '../model/matrix'
import { clusters, criticalPath, stragglers, type Cluster, type Straggler } from '../model/insight'
import { replay, RunModel, type Span } from '../model/run'

const PAGE = 5000
const INSIGHT_MS = 400

export interface Insight {
  readonly clusters: readonly Cluster[]
  readonly stragglers: readonly Straggler[]
  readonly critical: readonly Span[]
}

/** One run as opened, with what is derived from it. */
export class OpenRun {
  model: RunModel | null = null
  matrix: Matrix | null = null
  detail: RunDetail | null = null
  problem: string = ''
  /** Why its records are not to be had. */
  recordsProblem: string = ''
  records: EventView[] | null = null
  /** The last records that came live, newest last. */
  readonly recent: EventView[] = []
  private buffer: EventView[] | null = []
  private insightAt = -Infinity
  private insightVersion = -1
  private known: Insight = { clusters: [], stragglers: [], critical: [] }
  private replayed: { seq: number; model: RunModel; matrix: Matrix } | null = null
  private loadingRecords = false
  private turn = 0

  constructor(readonly environment: string, readonly run: string, private readonly client: Client, private readonly touch: () => void) {}

  private get path(): string {
    return `/environments/${this.environment}/runs/${this.run}`
  }

  /** Read the run; asked again meanwhile, only the last reading counts, and no record that came since is lost. */
  async open(): Promise<void> {
    const turn = ++this.turn
    // Asked again because some were missed: those kept have a gap.
    this.records = this.replayed = null
    this.recordsProblem = ''
    this.buffer ??= []
    try {
      const detail = await this.client.call('getRun', { method: 'GET', path: this.path })
      if (turn !== this.turn) return
      this.detail = detail
      // Its process has not written its plan yet; the record of the plan opens it again.
      if (detail.state === 'starting') return this.touch()
      const [plan, tasks, spans] = await Promise.all([
        this.client.call('getRunPlan', { method: 'GET', path: `${this.path}/plan` }),
        this.client.all<TaskView>({ method: 'GET', path: `${this.path}/tasks`, query: { limit: 500 } }, 200_000),
        this.client.call('getSpans', { method: 'GET', path: `${this.path}/spans` }),
      ])
      if (turn !== this.turn) return
      this.begin(detail, plan, tasks, spans)
    } catch (error) {
      if (turn !== this.turn) return
      this.problem = (error as Error).message
    }
    this.touch()
  }

  begin(detail: RunDetail, plan: PlanView, tasks: readonly TaskView[], spans: SpansView): void {
    const model = new RunModel(this.run, this.environment, plan)
    model.restore(detail, tasks, spans)
    this.detail = detail
    this.model = model
    this.matrix = new Matrix(model)
    this.problem = ''
    const buffer = this.buffer ?? []
    this.buffer = null
    for (const record of buffer) if (record.seq > detail.seq) model.apply(record)
  }

  take(records: readonly EventView[]): void {
    const mine = records.filter((record) => record.run === this.run)
    if (!mine.length) return
    this.recent.push(...mine)
    if (this.recent.length > 400) this.recent.splice(0, this.recent.length - 300)
    this.records?.push(...mine)
    if (this.buffer) this.buffer.push(...mine)
    else for (const record of mine) this.model?.apply(record)
  }

  /** What stands out; computed at most every 0.4 s, however fast records come. */
  insight(now: number, at: number): Insight {
    const model = this.model
    if (model && (now - this.insightAt >= INSIGHT_MS) && (model.version !== this.insightVersion || model.verdict === null)) {
      this.known = { clusters: clusters(model), stragglers: stragglers(model, at), critical: criticalPath(model, at) }
      this.insightAt = now
      this.insightVersion = model.version
    }
    return this.known
  }

  /** Whether `insight` is behind the model and should be asked again soon. */
  get insightBehind(): boolean {
    return this.model !== null && this.model.version !== this.insightVersion
  }

  /** Every record of the run, for the scrubber and the list of events; loads once. */
  loadRecords(): void {
    if (this.records || this.loadingRecords || this.recordsProblem) return
    this.loadingRecords = true
    void this.readRecords().then((records) => {
      const last = records[records.length - 1]?.seq ?? 0
      this.records = [...records, ...this.recent.filter((record) => record.seq > last)]
      this.loadingRecords = false
      this.touch()
    }, (error: unknown) => {
      this.recordsProblem = (error as Error).message
      this.loadingRecords = false
      this.touch()
    })
  }

  private async readRecords(): Promise<EventView[]> {
    const records: EventView[] = []
    let since = 0
    for (;;) {
      const page = await this.client.call('listEvents', { method: 'GET', path: `${this.path}/events`, query: { since, limit: PAGE } })
      records.push(...page.events)
      if (page.events.length === 0 || page.next <= since || page.events.length < PAGE) return records
      since = page.next
    }
  }

  /** The run as it stood at a record. */
  at(seq: number): { model: RunModel; matrix: Matrix } | null {
    if (!this.model || !this.records) return null
    const before = this.replayed
    if (before?.seq === seq) return before
    if (before && seq > before.seq) {
      for (const record of this.records) if (record.seq > before.seq && record.seq <= seq) before.model.apply(record)
      before.seq = seq
      return before
    }
    const model = replay(this.run, this.environment, this.model.plan, this.records, seq)
    this.replayed = { seq, model, matrix: new Matrix(model) }
    return this.replayed
  }
}
