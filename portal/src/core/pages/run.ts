/** One run: matrix, Gantt, graph, logs, plan, events, approvals; any moment of it by sequence number. */
import type { App } from '../app/app'
import type { OpenRun } from '../app/runs'
import type { Matrix } from '../model/matrix'
import { criticalPath } from '../model/insight'
import { OVER, type RunModel } from '../model/run'
import type { Block, Button, PageModel } from '../view/blocks'
import { actVerb, allowed, attention, gateItems, lead, loading, matrixBlock, opening, regionFacts, runButtons, runNow, stats, stepLabel, TABS, TONES, verbButton, withoutEnvironment, type Tab } from './parts'
import { mapBlock } from './now'
import { eventsTab, planTab } from './records'
import { logBlocks } from './logs'
import { localTime } from '../draw/earth'
import { memo } from '../util/store'

interface Moment {
  readonly model: RunModel
  readonly matrix: Matrix
  readonly seq: number | null
}

export function runPage(app: App): PageModel {
  const { t } = app
  const [, run = '', tabName = 'matrix'] = app.route.path
  const tab = TABS.find((name) => name === tabName) ?? 'matrix'
  const crumbs = [{ label: t('nav.runs'), href: app.link(['runs']) }]
  if (!app.environment()) return { title: run, heading: run, crumbs, buttons: [], blocks: [withoutEnvironment(app)] }
  const open = app.openRun(run)
  if (!open.model || !open.matrix) return { title: run, heading: run, crumbs, buttons: [], blocks: [opening(app, open)] }
  const moment = momentOf(app, open, open.model, open.matrix)
  const failed = open.model.counts.failed
  const exportButton: Button = { key: 'export', label: t('run.export'), icon: 'export', act: { do: 'call', name: 'export' } }
  return {
    title: failed ? t('title.failed', { n: failed, name: run }) : `${run} · ${t(`tab.${tab}`)}`,
    heading: run, crumbs,
    buttons: [...(moment.seq === null ? runButtons(app, open) : []), ...(app.world.framework === 'file' ? [] : [exportButton])],
    blocks: [...unread(app, open), ...head(app, open, moment), tabs(app, open, tab), scrubber(app, open), ...tabBlocks(app, open, moment, tab)],
  }
}

function momentOf(app: App, open: OpenRun, model: RunModel, matrix: Matrix): Moment {
  const at = Number(app.route.query['at'])
  if (!at) return { model, matrix, seq: null }
  open.loadRecords()
  const past = open.at(at)
  return past ? { ...past, seq: at } : { model, matrix, seq: null }
}

/** A moment was asked for and its records are not here: what is shown below is not that moment. */
function unread(app: App, open: OpenRun): Block[] {
  const missing = !open.records && (Boolean(app.route.query['at']) || open.recordsProblem !== '')
  return missing ? [{ ...loading(app, open.recordsProblem), key: 'records' }] : []
}

function head(app: App, open: OpenRun, moment: Moment): Block[] {
  const { t, words } = app
  if (moment.seq === null) return [lead(app, open, open.insight(app.world.now(), runNow(app, open.model!))), stats(app, open)]
  return [{
    kind: 'notice', key: 'past', tone: 'ask', title: t('scrub.past', { seq: moment.seq, time: words.duration(moment.model.at) }),
    text: t('scrub.pastText', { when: words.dateTime(moment.model.wall * 1000) }),
    buttons: [{ key: 'live', label: t('scrub.live'), act: { do: 'query', set: { at: null } }, tone: 'primary' }],
  }]
}

function tabs(app: App, open: OpenRun, current: Tab): Block {
  const model = open.model!
  const waiting = gateItems(app, open, true).length
  return {
    kind: 'tabs', key: 'tabs', label: app.t('run.views'),
    items: TABS.filter((tab) => tab !== 'approvals' || model.gates.size > 0).map((tab) => ({
      key: tab, label: app.t(`tab.${tab}`), current: tab === current, ...(tab === 'approvals' && waiting ? { count: String(waiting) } : {}),
      href: app.link(['runs', open.run, tab], { at: app.route.query['at'] ?? null, region: app.route.query['region'] ?? null, task: app.route.query['task'] ?? null }),
    })),
  }
}

function tabBlocks(app: App, open: OpenRun, moment: Moment, tab: Tab): Block[] {
  switch (tab) {
    case 'matrix': return matrixTab(app, open, moment)
    case 'gantt': return ganttTab(app, open, moment)
    case 'graph': return [{ kind: 'section', key: 'graph', size: 'full', title: app.t('graph.title'), hint: app.t('graph.hint'), buttons: [], blocks: [graphBlock(app, open, moment)] }]
    case 'logs': return logBlocks(app, open)
    case 'plan': return planTab(app, open)
    case 'events': return eventsTab(app, open)
    case 'approvals': return [{ kind: 'section', key: 'gates', size: 'full', title: app.t('tab.approvals'), hint: '', buttons: [], blocks: [{ kind: 'items', key: 'gates', label: app.t('tab.approvals'), items: gateItems(app, open, false), empty: app.t('gate.none') }] }]
  }
}

function matrixTab(app: App, open: OpenRun, moment: Moment): Block[] {
  const { t } = app
  const { query } = app.route
  const options = (keys: readonly string[]): { value: string; label: string }[] => keys.map((value) => ({ value, label: t(`group.${value || 'none'}` as 'group.none') }))
  const bar: Block = {
    kind: 'bar', key: 'matrix-bar', label: t('filters'), buttons: [],
    choices: [
      { key: 'group', label: t('group.label'), value: query['group'] ?? '', options: options(['', 'continent', ...(open.model!.plan.waves.length ? ['wave'] : [])]), act: { do: 'query', set: { group: '*' } } },
      { key: 'only', label: t('only.label'), value: query['only'] ?? '', options: ['', 'failed', 'running'].map((value) => ({ value, label: t(`only.${value || 'all'}` as 'only.all') })), act: { do: 'query', set: { only: '*' } } },
    ],
  }
  const selected = query['task'] || query['region'] || ''
  const matrix = matrixBlock(app, open, moment.matrix, { selected, group: query['group'] ?? '', only: query['only'] ?? '', at: moment.seq })
  const insight = open.insight(app.world.now(), runNow(app, open.model!))
  const items = moment.seq === null ? attention(app, open, insight) : []
  const side: Block = selected
    ? inspector(app, open, moment, query['task'] ?? '', query['region'] ?? '')
    : { kind: 'section', key: 'attention', size: 'side', title: t('attention.title'), hint: '', buttons: [], blocks: [{ kind: 'items', key: 'attention', label: t('attention.title'), items, empty: t('attention.none') }] }
  return [
    { kind: 'section', key: 'matrix', size: 'main', title: t('matrix.title'), hint: t('matrix.hint'), buttons: [], blocks: [bar, matrix] },
    side,
    { kind: 'section', key: 'map', size: 'full', title: t('map.title'), hint: t('map.hint'), buttons: [], blocks: [mapBlock(app, open)] },
  ]
}

function inspector(app: App, open: OpenRun, moment: Moment, taskId: string, regionName: string): Block {
  const { t, words } = app
  const task = moment.model.tasks.get(taskId)
  const region = regionName || task?.node.region || ''
  const row = region ? moment.model.rows.find((other) => other.region === region) : moment.model.network
  const facts = regionFacts(app).get(region)
  const now = moment.seq === null ? runNow(app, moment.model) : moment.model.at
  const close: Button = { key: 'close', label: t('close'), icon: 'close', act: { do: 'query', set: { task: null, region: null } } }
  const local = facts?.time_zone ? localTime(app.now(), facts.time_zone, words.locale) : null
  const items = [
    { label: t('region'), value: facts ? `${facts.display_name} (${region})` : region || t('network') },
    ...(local ? [{ label: t('localTime'), value: `${local.text} ${local.business ? t('businessHours') : ''}`.trim() }] : []),
  ]
  if (task) {
    items.push({ label: t('task'), value: task.node.id }, { label: t('state'), value: t(`state.${task.state}`) }, { label: t('attempts'), value: String(task.attempts) })
    if (task.last) items.push({ label: t('duration'), value: words.duration((task.last.end ?? now) - task.last.start) })
    items.push({ label: t('expected'), value: words.duration(task.node.median_s ?? 0) })
    if (task.reason) items.push({ label: t('reason'), value: task.reason })
  }
  const blocks: Block[] = [{ kind: 'facts', key: 'facts', items }]
  if (task?.last?.error) blocks.push({ kind: 'notice', key: 'error', tone: 'bad', title: task.last.errorClass || t('state.failed'), text: task.last.error, buttons: [] })
  blocks.push({
    kind: 'table', key: 'tasks', caption: t('tasks'), empty: t('matrix.nothing'),
    columns: [{ key: 'task', label: t('task') }, { key: 'state', label: t('state') }, { key: 'time', label: t('duration'), align: 'end' }],
    rows: (row?.tasks ?? []).map((other) => ({
      key: other.node.id, current: other.node.id === taskId,
      cells: [
        { text: other.node.id.split('/').slice(0, 2).join('/'), mono: true, href: app.link(['runs', open.run, 'logs'], { task: other.node.id }), hint: other.node.id },
        { text: '', badge: { text: t(`state.${other.state}`), tone: TONES[other.state], state: other.state } },
        { text: other.last ? words.duration((other.last.end ?? now) - other.last.start) : '', align: 'end' as const },
      ],
    })),
  })
  const failed = (row?.tasks ?? []).filter((other) => other.state === 'failed' || other.state === 'cancelled').map((other) => other.node.id)
  const buttons: Button[] = [close]
  if (moment.seq === null && failed.length && allowed(open, 'retry')) {
    buttons.unshift(verbButton(app, actVerb(open, 'retry', region ? [region] : failed), 'retry', { icon: 'retry', tone: 'primary', label: t('inspect.retryRegion', { region: region || t('network') }) }))
  }
  if (moment.seq === null && task?.state === 'failed' && allowed(open, 'skip')) buttons.unshift(verbButton(app, actVerb(open, 'skip', [task.node.id]), 'skip', { tone: 'plain' }))
  return { kind: 'section', key: 'inspector', size: 'side', title: t('inspect.title'), hint: '', buttons, blocks }
}

function ganttTab(app: App, open: OpenRun, moment: Moment): Block[] {
  const { t, words } = app
  const now = moment.seq === null ? runNow(app, moment.model) : moment.model.at
  const critical = moment.seq === null ? open.insight(app.world.now(), now).critical : criticalPath(moment.model, now)
  const facts = regionFacts(app)
  const input = {
    model: moment.model, version: moment.model.version, now, critical, words, began: moment.model.beganWall,
    selected: app.route.query['task'] ?? '', zoom: Number(app.route.query['zoom'] ?? '1') || 1,
    zones: app.preferences.localTimes ? zonesOf(facts) : new Map<string, string>(),
    names: namesOf(facts),
  }
  const chain = critical.slice(-14).map((span) => ({
    key: span.task, cells: [
      { text: span.task, mono: true, href: app.link(['runs', open.run, 'logs'], { task: span.task }) },
      { text: words.duration(span.start), align: 'end' as const },
      { text: words.duration((span.end ?? now) - span.start), align: 'end' as const, share: ((span.end ?? now) - span.start) / Math.max(now, 1e-9) },
    ],
  }))
  const zoom = (key: string, label: string, value: string | null): Button => ({ key, label, act: { do: 'query', set: { zoom: value } } })
  const buttons = [zoom('out', t('zoom.out'), String(Math.max(1, input.zoom / 2))), zoom('fit', t('zoom.fit'), null), zoom('in', t('zoom.in'), String(Math.min(32, input.zoom * 2)))]
  return [
    { kind: 'section', key: 'gantt', size: 'full', title: t('gantt.title'), hint: t('gantt.hint'), buttons, blocks: [{ kind: 'panel', key: 'gantt', panel: 'gantt', label: t('gantt.title'), input }] },
    {
      kind: 'section', key: 'critical', size: 'full', title: t('critical.title'), hint: t('critical.hint'), buttons: [],
      blocks: [{
        kind: 'table', key: 'critical', caption: t('critical.title'), empty: t('critical.none'),
        columns: [{ key: 'task', label: t('task') }, { key: 'start', label: t('start'), align: 'end' }, { key: 'time', label: t('duration'), align: 'end' }], rows: chain,
      }],
    },
  ]
}

const zonesOf = memo((facts: ReturnType<typeof regionFacts>) => new Map([...facts].map(([name, region]) => [name, region.time_zone ?? ''])))
const namesOf = memo((facts: ReturnType<typeof regionFacts>) => new Map([...facts].map(([name, region]) => [name, region.display_name])))

function graphBlock(app: App, open: OpenRun, moment: Moment): Block {
  const { model } = moment
  const words = app.words
  return {
    kind: 'panel', key: 'graph', panel: 'graph', label: app.t('graph.title'),
    input: { plan: model.plan, model, version: model.version, words, critical: new Set(criticalSteps(open)), label: (key: string, action: string) => stepLabel(app, { key, action }) },
  }
}

function criticalSteps(open: OpenRun): string[] {
  return open.insight(-1, 0).critical.map((span) => span.task.split('/').slice(0, 2).join('/'))
}

function scrubber(app: App, open: OpenRun): Block {
  const { t, words } = app
  const records = open.records
  const model = open.model!
  const max = records?.[records.length - 1]?.seq ?? model.seq
  const min = records?.[0]?.seq ?? 0
  const at = Number(app.route.query['at']) || max
  const moment = records ? open.at(at)?.model : null
  const over = [...model.tasks.values()].every((task) => OVER.has(task.state))
  const text = app.route.query['at'] ? t('scrub.at', { seq: at, time: words.duration(moment?.at ?? model.at) }) : over ? t('scrub.end') : t('scrub.isLive')
  const button = (key: string, name: string, icon: Button['icon'], label: string, pressed?: boolean): Button => ({ key, label, ...(icon ? { icon } : {}), act: { do: 'call', name }, ...(pressed === undefined ? {} : { pressed }) })
  return {
    kind: 'scrub', key: 'scrub', label: t('scrub.label'), min, max, value: at, text, act: { do: 'call', name: 'scrub' },
    buttons: [
      button('back', 'stepBack', 'back', t('scrub.back')), button('play', 'play', app.playing ? 'pause' : 'play', t(app.playing ? 'scrub.stop' : 'scrub.play'), app.playing),
      button('on', 'stepOn', 'next', t('scrub.on')), button('live', 'live', 'now', t('scrub.live')),
    ],
  }
}
