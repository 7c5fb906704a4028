/** Parts that several pages share: the sentence, the matrix, what wants attention, gates. */
import type { EnvironmentSummary, LimitState, MonitoringSample, Phase, RegionFacts, RunAction, TaskState } from '../api/types'
import type { App } from '../app/app'
import type { Resource } from '../app/resources'
import type { Insight, OpenRun } from '../app/runs'
import type { Verb } from '../app/verbs'
import { localTime } from '../draw/earth'
import { PHASES, type Matrix, type MatrixRow, type Step } from '../model/matrix'
import type { RunModel } from '../model/run'
import type { Words } from '../i18n'
import { memo } from '../util/store'
import type { Act, Block, Button, Item, MatrixBlock, MatrixText, Part, Stat, Tone } from '../view/blocks'

export const TABS = ['matrix', 'gantt', 'graph', 'logs', 'plan', 'events', 'approvals'] as const
export type Tab = (typeof TABS)[number]

export const TONES: Record<TaskState, Tone> = {
  waiting: 'quiet', ready: 'quiet', running: 'busy', 'backing-off': 'warn', 'at-gate': 'ask', succeeded: 'good', failed: 'bad', skipped: 'warn', cancelled: 'neutral',
}

export const verdictTone = (verdict: string | null | undefined): Tone =>
  verdict === 'succeeded' ? 'good' : verdict === 'failed' ? 'bad' : verdict === 'degraded' ? 'warn' : verdict === 'cancelled' ? 'neutral' : 'busy'

export const regionList = (app: App): Resource<RegionFacts[]> =>
  app.use('regions', () => app.client.all<RegionFacts>({ method: 'GET', path: '/regions', query: { limit: 500 } }))

export const regionFacts = (app: App): Map<string, RegionFacts> => byName(regionList(app).data)

const byName = memo((facts: RegionFacts[] | undefined) => new Map((facts ?? []).map((region) => [region.name, region])))

/** Seconds on the run's axis now: a live run's clock goes on, a lost link's stands still. */
export function runNow(app: App, model: RunModel): number {
  if (model.verdict !== null || model.wall === 0) return model.at
  const link = app.feed.link.getSnapshot()
  return link.state === 'live' ? Math.max(model.at, model.at + (app.now() / 1000 - model.wall)) : model.at
}

export interface Tally {
  readonly regions: number
  readonly done: number
  readonly failed: number
  readonly running: number
}

export function tally(rows: readonly MatrixRow[]): Tally {
  let done = 0
  let failed = 0
  let running = 0
  for (const row of rows) {
    if (row.state === 'succeeded') done++
    else if (row.state === 'failed' || row.state === 'skipped') failed++
    else if (row.state === 'running' || row.state === 'backing-off' || row.state === 'ready') running++
  }
  return { regions: rows.length, done, failed, running }
}

export function sentence(app: App, open: OpenRun, insight: Insight): { text: string; tone: Tone } {
  const { t } = app
  const model = open.model!
  const { regions, done, failed } = tally(open.matrix!.rows())
  const time = app.words.duration(runNow(app, model))
  const kind = open.detail?.kind ?? 'deploy'
  if (model.verdict === 'succeeded') return { text: t(`now.done.${kind === 'other' ? 'deploy' : kind}`, { regions, time }), tone: 'good' }
  if (model.verdict === 'cancelled') return { text: t('now.cancelled', { done, regions, time }), tone: 'neutral' }
  if (model.verdict) return { text: t(`now.${model.verdict}`, { done, regions, time }), tone: model.verdict === 'degraded' ? 'warn' : 'bad' }
  const parts = [t('now.progress', { done, regions })]
  if (failed) {
    const same = insight.clusters.length === 1 && insight.clusters[0]!.regions.length > 1
    parts.push(t(same ? 'now.failedSame' : 'now.failedCount', { n: failed }))
  }
  const waiting = waitingGates(model)
  if (waiting) parts.push(t('now.gates', { n: waiting }))
  if (model.paused) parts.push(t('now.paused'))
  else if (model.cancelling) parts.push(t('now.cancelling'))
  else if (model.outlook && (model.counts.running || !waiting)) parts.push(t('now.left', { time: app.words.duration(Math.max(0, model.outlook.remaining_s - (runNow(app, model) - model.outlook.at))) }))
  return { text: `${parts.join(', ')}.`, tone: failed ? 'bad' : waiting ? 'ask' : 'busy' }
}

/** Gates that wait for a person. */
const waitingGates = (model: RunModel): number =>
  [...model.gates.values()].filter((gate) => gate.needsPerson && gate.approved === null && model.tasks.get(gate.task)?.state === 'at-gate').length

export function parts(app: App, model: RunModel): Part[] {
  const groups: [Tone, TaskState[]][] = [
    ['good', ['succeeded']], ['busy', ['running']], ['warn', ['backing-off', 'skipped']], ['ask', ['at-gate']], ['bad', ['failed']], ['neutral', ['cancelled']],
  ]
  let from = 0
  return groups.flatMap(([tone, states]) => {
    const count = states.reduce((sum, state) => sum + model.counts[state], 0)
    const width = Math.round((count / model.total) * 1000)
    from += width
    return count ? [{ tone, from: from - width, width, label: `${states.map((state) => app.t(`state.${state}`)).join(', ')}: ${count}` }] : []
  })
}

export function lead(app: App, open: OpenRun, insight: Insight): Block {
  const model = open.model!
  const { text, tone } = sentence(app, open, insight)
  const meta: string[] = []
  const binding = model.outlook?.binding
  if (model.verdict === null && binding?.text) meta.push(app.t('now.binds', { text: binding.text }))
  // While nothing goes on before somebody decides, nobody knows when it ends.
  if (model.verdict === null && model.ends && !model.paused && (model.counts.running || !waitingGates(model))) {
    const at = (seconds: number): string => app.words.time((model.beganWall + seconds) * 1000)
    meta.push(app.t('now.ends', { p50: at(model.ends.p50), low: at(model.ends.low), high: at(model.ends.high) }))
  }
  if (model.verdict !== null) meta.push(app.t('now.ended', { when: app.words.dateTime(model.wall * 1000) }))
  app.announce(text)
  return { kind: 'lead', key: 'lead', tone, text, meta, parts: parts(app, model), label: app.t('now.share') }
}

export function stats(app: App, open: OpenRun): Block {
  const { t } = app
  const model = open.model!
  const { regions, done, failed } = tally(open.matrix!.rows())
  const number = (value: number): string => app.words.number(value)
  const items: Stat[] = [
    { key: 'regions', label: t('stat.regions'), value: `${done}/${regions}`, hint: failed ? t('stat.failed', { n: failed }) : t('stat.noneFailed'), tone: failed ? 'bad' : 'neutral' },
    { key: 'tasks', label: t('stat.tasks'), value: `${number(model.counts.succeeded)}/${number(model.total)}`, hint: t('stat.running', { n: model.counts.running }), tone: 'neutral' },
    { key: 'retries', label: t('stat.retries'), value: number(model.retries), hint: t('stat.backing', { n: model.counts['backing-off'] }), tone: model.retries ? 'warn' : 'neutral' },
    { key: 'throttled', label: t('stat.throttled'), value: number(model.throttled), hint: t('stat.throttledHint'), tone: model.throttled ? 'warn' : 'neutral' },
    { key: 'elapsed', label: t('stat.elapsed'), value: app.words.duration(runNow(app, model)), hint: app.words.dateTime(model.beganWall * 1000), tone: 'neutral' },
  ]
  return { kind: 'stats', key: 'stats', items }
}

export const stepLabel = (app: App, step: Pick<Step, 'key' | 'action'>): string => app.words.word(`step.${step.key}`, step.action)

export const phaseLabel = (app: App, phase: Phase): string => app.t(`phase.${phase}`)

export interface MatrixOptions {
  readonly selected: string
  readonly group: string
  readonly at: number | null
  readonly only: string
}

export function matrixBlock(app: App, open: OpenRun, matrix: Matrix, options: MatrixOptions): MatrixBlock {
  const { t } = app
  const heads = PHASES.flatMap((phase) => {
    const span = matrix.steps.filter((step) => step.phase === phase).length
    return span ? [{ phase, label: phaseLabel(app, phase), span }] : []
  })
  const minute = Math.floor(app.now() / 60_000)
  return {
    kind: 'matrix', key: `matrix/${open.run}`, caption: t('matrix.caption'), corner: t('region'), heads, steps: matrix.steps,
    stepLabels: matrix.steps.map((step) => stepLabel(app, step)),
    groups: groupsOf(app, matrix.rows().filter((row) => keep(row, options.only)), options.group),
    text: matrixText(app.words, open.environment, open.run, options.selected, app.preferences.localTimes ? minute : -1, regionFacts(app), options.at ?? -1),
  }
}

function keep(row: MatrixRow, only: string): boolean {
  if (only === 'failed') return row.state === 'failed' || row.state === 'skipped' || row.state === 'backing-off'
  if (only === 'running') return row.state !== 'succeeded'
  return true
}

function groupsOf(app: App, rows: readonly MatrixRow[], group: string): MatrixBlock['groups'] {
  const facts = regionFacts(app)
  const nameOf = (row: MatrixRow): string => {
    if (group === 'wave') return row.wave === null ? '' : app.t('matrix.wave', { n: row.wave + 1 })
    if (group === 'continent') return facts.get(row.region ?? '')?.continent ?? ''
    return ''
  }
  const groups = new Map<string, MatrixRow[]>()
  for (const row of rows) {
    const name = nameOf(row)
    const list = groups.get(name)
    if (list) list.push(row)
    else groups.set(name, [row])
  }
  return [...groups].map(([label, list]) => ({ key: label || 'all', label, rows: list }))
}

// One object while language, selection and minute stay: rows that did not change are then not drawn again.
const matrixText = memo((words: Words, environment: string, run: string, selected: string, minute: number, facts: Map<string, RegionFacts>, at: number): MatrixText => {
  const act = (set: Record<string, string | null>): Act => ({ do: 'call', name: 'inspect', args: [run, set['region'] ?? '', set['task'] ?? ''] })
  void environment
  void at
  return {
    selected,
    name: (row) => facts.get(row.region ?? '')?.display_name || row.region || words.t('network'),
    local: (row) => {
      const zone = facts.get(row.region ?? '')?.time_zone
      return minute >= 0 && zone ? (localTime(minute * 60_000, zone, words.locale)?.text ?? '') : ''
    },
    cellName: (row, cell) => {
      if (cell.state === null) return words.t('matrix.nothing')
      const parts = [row.region ?? words.t('network'), words.word(`step.${cell.step}`, cell.step.split('/')[1] ?? cell.step), words.t(`state.${cell.state}`)]
      if (cell.seconds !== null) parts.push(words.duration(cell.seconds))
      if (cell.total > 1) parts.push(words.t('matrix.of', { done: cell.done, total: cell.total }))
      if (cell.attempts > 1) parts.push(words.t('matrix.attempt', { n: cell.attempts }))
      return parts.join(', ')
    },
    cellText: (cell) => {
      if (cell.state === null) return ''
      if (cell.state !== 'succeeded' && cell.total > 1) return `${cell.done}/${cell.total}`
      if (cell.seconds !== null) return words.duration(cell.seconds)
      return cell.attempts > 1 ? `×${cell.attempts}` : ''
    },
    regionAct: (row) => act({ region: row.region ?? '' }),
    cellAct: (cell) => act({ task: cell.task }),
  }
})

export function verbButton(app: App, verb: Verb, key: string, more: Partial<Button> = {}): Button {
  const label = verb.verb === 'act' ? app.t(`action.${verb.action}`) : verb.verb === 'start' ? app.t(`start.${verb.kind}`) : app.t(`verb.${verb.verb}`)
  return { key, label, act: { do: 'verb', verb }, ...more }
}

export function actVerb(open: OpenRun, action: RunAction, tasks: readonly string[] = [], gate = ''): Verb {
  return { verb: 'act', environment: open.environment, run: open.run, action, tasks, gate }
}

export const allowed = (open: OpenRun, action: RunAction): boolean => open.detail?.allowed?.includes(action) ?? false

/** What wants a person: gates first, then causes, then what is slow. */
export function attention(app: App, open: OpenRun, insight: Insight): Item[] {
  return [...gateItems(app, open, true), ...clusterItems(app, open, insight), ...stragglerItems(app, open, insight), ...incidentItems(app, open)]
}

export function gateItems(app: App, open: OpenRun, onlyWaiting: boolean): Item[] {
  const { t } = app
  const model = open.model!
  return [...model.gates.values()].flatMap((gate) => {
    const task = model.tasks.get(gate.task)
    const waiting = task?.state === 'at-gate' && gate.approved === null
    if (onlyWaiting && !waiting) return []
    const meta: string[] = []
    if (task && waiting) meta.push(t('gate.since', { time: app.words.duration(Math.max(0, runNow(app, model) - task.since)) }))
    if (gate.evidence) meta.push(gate.evidence)
    if (gate.by) meta.push(t('gate.by', { by: gate.by }))
    const buttons: Button[] = []
    if (waiting && allowed(open, 'approve')) {
      buttons.push(verbButton(app, actVerb(open, 'approve', [], gate.task), 'approve', { tone: 'primary', icon: 'check' }))
      buttons.push(verbButton(app, actVerb(open, 'refuse', [], gate.task), 'refuse', { tone: 'plain' }))
    }
    const tone: Tone = waiting ? 'ask' : gate.approved === true ? 'good' : gate.approved === false ? 'bad' : 'quiet'
    const text = waiting ? t('gate.waits') : gate.approved === null ? t('gate.notReached') : gate.reason || t(gate.approved ? 'gate.approved' : 'gate.refused')
    return [{ key: gate.task, tone, title: t('gate.title', { gate: gate.task }), text, meta, buttons }]
  })
}

function clusterItems(app: App, open: OpenRun, insight: Insight): Item[] {
  const { t } = app
  return insight.clusters.map((cluster) => {
    const buttons: Button[] = []
    if (cluster.standing && allowed(open, 'retry')) {
      buttons.push(verbButton(app, actVerb(open, 'retry', cluster.tasks), 'retry', { icon: 'retry', label: t('attention.retryThese', { n: cluster.tasks.length }) }))
    }
    buttons.push({ key: 'log', label: t('tab.logs'), tone: 'plain', act: { do: 'go', to: app.link(['runs', open.run, 'logs'], { task: cluster.tasks[0]! }) } })
    return {
      key: `cause ${cluster.key}`, tone: cluster.standing ? 'bad' : 'warn',
      title: t(cluster.standing ? 'attention.cause' : 'attention.retrying', { regions: cluster.regions.length }),
      text: cluster.message,
      meta: [cluster.errorClass, ...someOf(cluster.regions)].filter(Boolean),
      buttons,
    }
  })
}

function stragglerItems(app: App, open: OpenRun, insight: Insight): Item[] {
  const { t, words } = app
  // A run that is over well has no use for a list of who was slow, beyond the first few.
  return insight.stragglers.slice(0, 4).map((slow) => ({
    key: `slow ${slow.task}`, tone: slow.running ? 'warn' as const : 'quiet' as const,
    title: t(slow.running ? 'attention.slow' : 'attention.wasSlow', { region: slow.region, factor: words.number(slow.factor, 1) }),
    text: t('attention.slowText', { task: slow.task, time: words.duration(slow.seconds), median: words.duration(slow.median), peers: slow.peers }),
    meta: [], href: app.link(['runs', open.run, 'gantt'], { task: slow.task }), buttons: [],
  }))
}

function incidentItems(app: App, open: OpenRun): Item[] {
  return open.model!.incidents.map((message) => ({ key: `incident ${message}`, tone: 'bad' as const, title: app.t('attention.incident'), text: message, meta: [], buttons: [] }))
}

/** A run whose plan is still to come, or not to be had. */
export const opening = (app: App, open: OpenRun): Block => {
  if (open.detail?.state !== 'starting') return loading(app, open.problem)
  return { kind: 'empty', key: 'starting', title: app.t('run.starting'), text: app.t('run.startingText'), code: open.detail.command ?? '', buttons: [] }
}

export function loading(app: App, problem: string | undefined): Block {
  if (problem) return { kind: 'notice', key: 'problem', tone: 'bad', title: app.t('problem'), text: problem, buttons: [{ key: 'again', label: app.t('again'), icon: 'retry', act: { do: 'call', name: 'refresh' } }] }
  return { kind: 'empty', key: 'loading', title: app.t('loading'), text: '', code: '', buttons: [] }
}

/** What went wrong with what a form asked for, and the way out. */
export function refusal(draft: Readonly<Record<string, string>>): Block[] {
  return draft['problem'] ? [{ kind: 'notice', key: 'problem', tone: 'bad', title: draft['problem'], text: draft['wayOut'] ?? '', buttons: [] }] : []
}

/** A page that needs an environment, without one. */
export function withoutEnvironment(app: App): Block {
  const list = app.environments()
  return list.data ? noEnvironment(app) : loading(app, list.problem?.message)
}

export const copyButton = (app: App, text: string): Button => ({ key: 'copy', label: app.t('copy'), icon: 'copy', act: { do: 'call', name: 'copy', args: [text] } })

const MODES = ['', 'ultra', 'max', 'standard', 'sequential'] as const

export const modeOptions = (app: App): { value: string; label: string }[] => MODES.map((value) => ({ value, label: value || app.t('sheet.asDeclared') }))

export const verdictLabel = (app: App, verdict: string): string => app.words.word(`verdict.${verdict}`, verdict)

/** What the monitoring warns of; the same of many regions is one thing. */
export function alertItems(alerts: MonitoringSample['alerts'] | undefined, href = ''): Item[] {
  const groups = new Map<string, NonNullable<typeof alerts>>()
  for (const alert of alerts ?? []) {
    const key = `alert ${alert.name} ${alert.text}`
    groups.set(key, [...(groups.get(key) ?? []), alert])
  }
  return [...groups].map(([key, [alert, ...more]]) => ({
    key, tone: alert!.severity === 'critical' ? 'bad' : alert!.severity === 'warning' ? 'warn' : 'quiet',
    title: alert!.name, text: alert!.text, meta: someOf([alert!, ...more].flatMap(({ region }) => region ?? [])), buttons: [], ...(href ? { href } : {}),
  }))
}

const SOME = 6

/** Names as one line, the first few of many. */
const someOf = (names: readonly string[]): string[] => (names.length ? [`${names.slice(0, SOME).join(', ')}${names.length > SOME ? ` … (${names.length})` : ''}`] : [])

/** What a limit's use is measured by: the tokens of a full bucket, or what throttling has left of its slots. */
export const wholeOf = (limit: LimitState): number => (limit.kind === 'tokens' ? limit.capacity : limit.current)

export function runButtons(app: App, open: OpenRun): Button[] {
  const buttons: Button[] = []
  const add = (action: RunAction, icon: Button['icon'], tone?: Button['tone']): void => {
    if (allowed(open, action)) buttons.push(verbButton(app, actVerb(open, action), action, { ...(icon ? { icon } : {}), ...(tone ? { tone } : {}) }))
  }
  add('pause', 'pause')
  add('drain', 'stop', 'plain')
  add('resume', 'play', 'primary')
  add('retry', 'retry', open.model?.counts.failed ? 'primary' : undefined)
  add('cancel', 'stop', 'danger')
  return buttons
}

/** Why an environment's ledger can't be read, if it can't. */
export function ledgerNotice(app: App, environment: EnvironmentSummary): Block[] {
  const { t, words } = app
  const trouble = environment.ledger_problem
  if (!trouble) return []
  const title = trouble.kind === 'ledger-away' ? t('link.away', { when: words.dateTime(trouble.since * 1000) }) : t('env.unusable')
  return [{ kind: 'notice', key: 'ledger', tone: 'bad', title, text: [trouble.detail, trouble.way_out].filter(Boolean).join(': '), buttons: [] }]
}

export function noEnvironment(app: App): Block {
  const { t } = app
  return {
    kind: 'empty', key: 'empty', title: t('env.none'), text: t('env.noneText'), code: 'chainfleet init > fleet.yaml',
    buttons: app.may('change') ? [{ key: 'new', label: t('env.new'), icon: 'plus', tone: 'primary', act: { do: 'go', to: app.link(['environments', 'new']) } }] : [],
  }
}

export function forbidden(app: App, role: string): Block {
  return { kind: 'empty', key: 'forbidden', title: app.t('forbidden'), text: app.t('forbidden.text', { role, mine: app.who?.role ?? '' }), code: '', buttons: [] }
}

/** For keys: the next failed task's cell after the selected one, in the order of the matrix. */
export function failures(open: OpenRun): string[] {
  return (open.model?.rows ?? []).flatMap((row) => row.tasks.filter((task) => task.state === 'failed').map((task) => task.node.id))
}
