/** All runs of an environment, and two of them side by side. */
import type { RunSummary } from '../api/types'
import type { App } from '../app/app'
import type { Block, PageModel } from '../view/blocks'
import { startButtons } from './now'
import { loading, phaseLabel, verdictLabel, verdictTone, withoutEnvironment } from './parts'

export function runsPage(app: App): PageModel {
  const { t } = app
  const environment = app.environment()
  const page = { title: t('nav.runs'), heading: t('nav.runs'), crumbs: [], buttons: environment ? startButtons(app, environment) : [] }
  if (!environment) return { ...page, blocks: [withoutEnvironment(app)] }
  const runs = app.use(`runs/${environment.name}`, () => app.client.all<RunSummary>({ method: 'GET', path: `/environments/${environment.name}/runs`, query: { limit: 100 } }, 500))
  if (!runs.data) return { ...page, blocks: [loading(app, runs.problem?.message)] }
  const search = (app.route.query['q'] ?? '').toLowerCase()
  const state = app.route.query['state'] ?? ''
  const found = runs.data.filter((run) => `${run.run} ${run.by ?? ''} ${run.reason ?? ''}`.toLowerCase().includes(search) && (!state || (run.verdict ?? run.state) === state))
  const states = [...new Set(runs.data.map((run) => run.verdict ?? run.state))].sort()
  const chosen = [app.route.query['a'], app.route.query['b']].filter((name): name is string => Boolean(name))
  return {
    ...page,
    blocks: [
      strip(app, runs.data),
      {
        kind: 'bar', key: 'runs-bar', label: t('filters'), note: chosen.length === 1 ? t('compare.another') : '',
        choices: [{ key: 'state', label: t('state'), value: state, options: [{ value: '', label: t('only.all') }, ...states.map((value) => ({ value, label: verdictLabel(app, value) }))], act: { do: 'query', set: { state: '*' } } }],
        search: { key: 'q', label: t('runs.search'), type: 'search', value: app.route.query['q'] ?? '', act: { do: 'query', set: { q: '*' } } },
        buttons: chosen.length === 2 ? [{ key: 'compare', label: t('compare.two'), icon: 'compare', tone: 'primary', act: { do: 'go', to: app.link(['compare'], { a: chosen[0]!, b: chosen[1]! }) } }] : [],
      },
      { kind: 'section', key: 'runs', size: 'full', title: t('runs.count', { n: found.length }), hint: '', buttons: [], blocks: [runsTable(app, found, chosen)] },
    ],
  }
}

function strip(app: App, runs: readonly RunSummary[]): Block {
  const last = runs.slice(0, 30).reverse()
  const longest = Math.max(...last.map((run) => run.elapsed_s), 1)
  return {
    kind: 'table', key: 'strip', caption: app.t('runs.strip'), empty: '', columns: [{ key: 'strip', label: app.t('runs.strip') }],
    rows: last.length ? [{ key: 'strip', cells: [{ text: '', bars: last.map((run) => ({ height: run.elapsed_s / longest, tone: verdictTone(run.verdict), title: `${run.run}: ${verdictLabel(app, run.verdict ?? run.state)}, ${app.words.duration(run.elapsed_s)}` })) }] }] : [],
  }
}

export function runsTable(app: App, runs: readonly RunSummary[], chosen: readonly string[]): Block {
  const { t, words } = app
  return {
    kind: 'table', key: 'runs', caption: t('nav.runs'), empty: t('runs.none'),
    columns: [
      { key: 'run', label: t('run') }, { key: 'verdict', label: t('state') }, { key: 'mode', label: t('mode') }, { key: 'regions', label: t('regions') },
      { key: 'retries', label: t('stat.retries'), align: 'end' }, { key: 'time', label: t('duration'), align: 'end' }, { key: 'began', label: t('runs.began') }, { key: 'by', label: t('runs.by') }, { key: 'compare', label: t('compare') },
    ],
    rows: runs.map((run) => {
      const picked = chosen.includes(run.run)
      return {
        key: run.run, current: picked,
        cells: [
          { text: run.run, mono: true, href: app.link(['runs', run.run, 'matrix']) }, { text: '', badge: { text: verdictLabel(app, run.verdict ?? run.state), tone: verdictTone(run.verdict) } }, { text: run.mode ?? '' },
          { text: t('runs.regions', { done: run.regions?.['done'] ?? 0, failed: run.regions?.['failed'] ?? 0 }) }, { text: words.number(run.retries ?? 0), align: 'end' as const },
          { text: words.duration(run.elapsed_s), align: 'end' as const }, { text: words.dateTime(run.began_wall * 1000) }, { text: run.by || t('runs.commandLine') },
          { text: '', buttons: [{ key: 'pick', label: t('compare.pick', { run: run.run }), icon: picked ? 'check' as const : 'compare' as const, pressed: picked, act: { do: 'call' as const, name: 'pick', args: [run.run] } }] },
        ],
      }
    }),
  }
}

export function comparePage(app: App): PageModel {
  const { t, words } = app
  const environment = app.environment()
  const { a = '', b = '' } = app.route.query
  const page = { title: t('compare.title'), heading: t('compare.title'), crumbs: [{ label: t('nav.runs'), href: app.link(['runs']) }], buttons: [] }
  if (!environment) return { ...page, blocks: [withoutEnvironment(app)] }
  const found = app.use(`runs-compare/${environment.name}/${a}/${b}`, () => app.client.call('compareRuns', { method: 'GET', path: `/environments/${environment.name}/runs/${a}/compare`, query: { to: b } }))
  if (!found.data) return { ...page, blocks: [loading(app, found.problem?.message)] }
  const comparison = found.data
  const largest = Math.max(...comparison.phases.map((cell) => Math.abs((cell.b_s ?? 0) - (cell.a_s ?? 0))), 1e-9)
  const rows = [...comparison.phases].sort((x, y) => Math.abs((y.b_s ?? 0) - (y.a_s ?? 0)) - Math.abs((x.b_s ?? 0) - (x.a_s ?? 0))).map((cell) => {
    const change = (cell.b_s ?? 0) - (cell.a_s ?? 0)
    const signed = cell.a_s == null || cell.b_s == null ? '—' : `${change > 0 ? '+' : '−'}${words.duration(Math.abs(change))}`
    const time = (value: number | null | undefined): string => (value == null ? '—' : words.duration(value))
    return {
      key: `${cell.region ?? ''} ${cell.phase}`, cells: [
        { text: cell.region ?? t('network') }, { text: phaseLabel(app, cell.phase) }, { text: time(cell.a_s), align: 'end' as const }, { text: time(cell.b_s), align: 'end' as const },
        { text: signed, align: 'end' as const, share: Math.abs(change) / largest, tone: change > 0 ? 'bad' as const : 'good' as const },
      ],
    }
  })
  const only = (key: string, title: string, tasks: readonly string[]): Block[] => (tasks.length ? [{ kind: 'section', key, size: 'half', title, hint: '', buttons: [], blocks: [{ kind: 'table', key, caption: title, empty: '', columns: [{ key: 'task', label: t('task') }], rows: tasks.map((task) => ({ key: task, cells: [{ text: task, mono: true }] })) }] }] : [])
  return {
    ...page,
    blocks: [
      { kind: 'section', key: 'a', size: 'half', title: `A · ${comparison.a.run}`, hint: '', buttons: [], blocks: [sideFacts(app, comparison.a)] },
      { kind: 'section', key: 'b', size: 'half', title: `B · ${comparison.b.run}`, hint: '', buttons: [], blocks: [sideFacts(app, comparison.b)] },
      {
        kind: 'section', key: 'phases', size: 'full', title: t('compare.phases'), hint: t('compare.hint'), buttons: [],
        blocks: [{ kind: 'table', key: 'phases', caption: t('compare.phases'), empty: t('noMatch'), columns: [{ key: 'region', label: t('region') }, { key: 'phase', label: t('phase') }, { key: 'a', label: 'A', align: 'end' }, { key: 'b', label: 'B', align: 'end' }, { key: 'change', label: t('compare.change'), align: 'end' }], rows }],
      },
      ...only('only-a', t('compare.only', { which: 'A' }), comparison.only_a), ...only('only-b', t('compare.only', { which: 'B' }), comparison.only_b),
    ],
  }
}

function sideFacts(app: App, run: RunSummary): Block {
  const { t, words } = app
  return {
    kind: 'facts', key: run.run, items: [
      { label: t('run'), value: run.run, mono: true, href: app.link(['runs', run.run, 'matrix']) }, { label: t('state'), value: verdictLabel(app, run.verdict ?? run.state) },
      { label: t('mode'), value: run.mode ?? '' }, { label: t('duration'), value: words.duration(run.elapsed_s) }, { label: t('stat.retries'), value: words.number(run.retries ?? 0) },
      { label: t('stat.throttled'), value: words.number(run.throttled ?? 0) }, { label: t('runs.began'), value: words.dateTime(run.began_wall * 1000) },
    ],
  }
}
