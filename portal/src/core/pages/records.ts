/** A run's plan with its limits, and its events. */
import type { App } from '../app/app'
import type { OpenRun } from '../app/runs'
import type { Block } from '../view/blocks'
import { phaseLabel, TONES, wholeOf } from './parts'

export function planTab(app: App, open: OpenRun): Block[] {
  const { t, words } = app
  const { plan, tasks } = open.model!
  const search = (app.route.query['q'] ?? '').toLowerCase()
  const found = plan.nodes.filter((node) => node.id.toLowerCase().includes(search))
  const outlook = new Map((open.model!.outlook?.limits ?? []).map((limit) => [limit.name, limit]))
  return [
    {
      kind: 'section', key: 'plan', size: 'main', title: t('plan.title', { n: plan.nodes.length }), hint: t('plan.hint', { edges: plan.edges, time: words.duration(plan.lower_bound_s), by: plan.bound_by }), buttons: [],
      blocks: [
        { kind: 'bar', key: 'plan-bar', label: t('filters'), buttons: [], choices: [], search: { key: 'q', label: t('plan.search'), type: 'search', value: app.route.query['q'] ?? '', act: { do: 'query', set: { q: '*' } } }, note: found.length > 200 ? t('table.first', { n: 200, all: found.length }) : '' },
        {
          kind: 'table', key: 'plan', caption: t('tab.plan'), empty: t('noMatch'),
          columns: [{ key: 'task', label: t('task') }, { key: 'phase', label: t('phase') }, { key: 'state', label: t('state') }, { key: 'needs', label: t('plan.needs'), align: 'end' }, { key: 'time', label: t('expected'), align: 'end' }],
          rows: found.slice(0, 200).map((node) => {
            const state = tasks.get(node.id)!.state
            return {
              key: node.id, cells: [
                { text: node.id, mono: true, href: app.link(['runs', open.run, 'matrix'], { task: node.id }) }, { text: phaseLabel(app, node.phase) },
                { text: '', badge: { text: t(`state.${state}`), tone: TONES[state], state } },
                { text: words.number((node.needs ?? []).length), align: 'end' as const }, { text: node.kind === 'work' ? words.duration(node.median_s ?? 0) : '', align: 'end' as const },
              ],
            }
          }),
        },
      ],
    },
    {
      kind: 'section', key: 'limits', size: 'side', title: t('limits.title'), hint: t('limits.hint'), buttons: [],
      blocks: [
        {
          kind: 'table', key: 'limits', caption: t('limits.title'), empty: t('limits.none'),
          columns: [{ key: 'limit', label: t('limit') }, { key: 'use', label: t('limits.use'), align: 'end' }, { key: 'capacity', label: t('limits.capacity'), align: 'end' }],
          rows: plan.limits.map((limit) => {
            const now = outlook.get(limit.name)
            return { key: limit.name, cells: [{ text: limit.name, mono: true }, { text: now ? words.number(now.in_use, 1) : '', align: 'end' as const, share: now ? Math.min(1, now.in_use / Math.max(wholeOf(now), 1e-9)) : 0 }, { text: words.number(limit.capacity), align: 'end' as const }] }
          }),
        },
        { kind: 'code', key: 'command', label: t('run.command'), text: open.detail?.command || plan.command || '', copy: null },
      ],
    },
  ]
}

const MOST_EVENTS = 200

export function eventsTab(app: App, open: OpenRun): Block[] {
  const { t, words } = app
  open.loadRecords()
  const { query } = app.route
  const at = Number(query['at']) || Infinity
  const type = query['type'] ?? ''
  const search = (query['q'] ?? '').toLowerCase()
  const all = (open.records ?? []).filter((record) => record.seq <= at)
  const types = [...new Set((open.records ?? []).map((record) => String(record.event['type'] ?? record.kind)))].sort()
  const found = all.filter((record) => (!type || (record.event['type'] ?? record.kind) === type) && (!search || `${record.subject ?? ''} ${JSON.stringify(record.event)}`.toLowerCase().includes(search)))
  const shown = found.slice(-MOST_EVENTS).reverse()
  return [{
    kind: 'section', key: 'events', size: 'full', title: t('events.title', { n: all.length }), hint: t('events.hint'), buttons: [],
    blocks: [
      {
        kind: 'bar', key: 'events-bar', label: t('filters'), buttons: [], note: found.length > shown.length ? t('table.last', { n: shown.length, all: found.length }) : '',
        choices: [{ key: 'type', label: t('events.type'), value: type, options: [{ value: '', label: t('only.all') }, ...types.map((value) => ({ value, label: value }))], act: { do: 'query', set: { type: '*' } } }],
        search: { key: 'q', label: t('events.search'), type: 'search', value: query['q'] ?? '', act: { do: 'query', set: { q: '*' } } },
      },
      {
        kind: 'table', key: 'events', caption: t('tab.events'), empty: open.records ? t('noMatch') : t('loading'),
        columns: [{ key: 'seq', label: '#', align: 'end' }, { key: 'at', label: t('events.at'), align: 'end' }, { key: 'type', label: t('events.type') }, { key: 'subject', label: t('task') }, { key: 'what', label: t('events.what') }],
        rows: shown.map((record) => ({
          key: String(record.seq), cells: [
            { text: String(record.seq), align: 'end' as const, href: app.link(['runs', open.run, 'matrix'], { at: String(record.seq) }), hint: t('scrub.to') },
            { text: words.duration(record.at), align: 'end' as const, hint: words.time(record.wall * 1000) },
            { text: String(record.event['type'] ?? record.kind) }, { text: record.subject ?? '', mono: true }, { text: gist(record.event) },
          ],
        })),
      },
    ],
  }]
}

/** The fields of a record that are not said by its other columns. */
function gist(event: Record<string, unknown>): string {
  const text = Object.entries(event).filter(([key]) => key !== 'type' && key !== 'task').map(([key, value]) => `${key} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`).join(' · ')
  return text.length > 160 ? `${text.slice(0, 157)}…` : text
}
