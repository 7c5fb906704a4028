/** Environments: all of them, a new one, and one with its form, text, revisions, copies and rehearsals. */
import type { EnvironmentDetail, EnvironmentSummary } from '../api/types'
import type { App } from '../app/app'
import type { Block, Button, Field, PageModel, TableRow, Tone } from '../view/blocks'
import { editor } from './editor'
import { loading, noEnvironment, refusal, verbButton, verdictLabel, verdictTone } from './parts'
import { revisions } from './revisions'
import { clone, rehearsal } from './trying'

const healthTone = (health: string): Tone => (health === 'healthy' ? 'good' : health === 'degraded' ? 'warn' : health === 'down' ? 'bad' : 'quiet')

export function environmentsPage(app: App): PageModel {
  const { t } = app
  const [, name, tab = 'form'] = app.route.path
  if (name === 'new') return newPage(app)
  if (name) return environmentPage(app, name, tab)
  const list = app.environments()
  const buttons: Button[] = app.may('change') ? [{ key: 'new', label: t('env.new'), icon: 'plus', tone: 'primary', act: { do: 'go', to: app.link(['environments', 'new']) } }] : []
  const page = { title: t('nav.environments'), heading: t('nav.environments'), crumbs: [], buttons }
  if (!list.data) return { ...page, blocks: [loading(app, list.problem?.message)] }
  if (list.data.some((environment) => environment.ledger_problem)) app.every(5000, 'environments')
  if (!list.data.length) return { ...page, blocks: [noEnvironment(app)] }
  return {
    ...page,
    blocks: [{
      kind: 'section', key: 'environments', size: 'full', title: t('env.count', { n: list.data.length }), hint: '', buttons: [],
      blocks: [{
        kind: 'table', key: 'environments', caption: t('nav.environments'), empty: t('env.none'),
        columns: [{ key: 'name', label: t('environment') }, { key: 'health', label: t('health') }, { key: 'fleet', label: t('fleet') }, { key: 'target', label: t('target') }, { key: 'revision', label: t('revision'), align: 'end' }, { key: 'run', label: t('env.lastRun') }, { key: 'history', label: t('runs.strip') }],
        rows: list.data.map((environment) => environmentRow(app, environment)),
      }],
    }],
  }
}

function environmentRow(app: App, environment: EnvironmentSummary): TableRow {
  const { t, words } = app
  const { fleet, run, lock, ledger_problem: trouble } = environment
  const bars = environment.history ?? []
  const longest = Math.max(...bars.map((bar) => bar.elapsed_s), 1)
  if (trouble) {
    const badge = { text: trouble.kind === 'ledger-away' ? t('link.away', { when: words.dateTime(trouble.since * 1000) }) : t('env.unusable'), tone: 'bad' as const }
    return { key: environment.name, current: environment.name === app.environmentName, cells: [{ text: environment.name, href: app.link(['environments', environment.name, 'form'], { env: environment.name }) }, { text: '', badge, hint: trouble.detail }, ...Array.from({ length: 5 }, () => ({ text: '—' }))] }
  }
  const mark = environment.archived ? t('env.archived') : lock ? t('env.locked') : words.word(`health.${environment.health}`, environment.health ?? 'unknown')
  return {
    key: environment.name, current: environment.name === app.environmentName,
    cells: [
      { text: environment.name, href: app.link(['environments', environment.name, 'form'], { env: environment.name }) },
      { text: '', badge: { text: mark, tone: environment.archived ? 'neutral' : lock ? 'ask' : healthTone(environment.health ?? 'unknown') } },
      { text: fleet ? t('sheet.regions', { regions: fleet.regions.length, validators: fleet.validators }) : '—' }, { text: environment.target.emulated ? t('target.emulated') : (fleet?.clouds ?? []).join(', ') },
      { text: String(environment.revision), align: 'end' }, run ? { text: '', badge: { text: verdictLabel(app, run.verdict ?? run.state), tone: verdictTone(run.verdict) }, hint: run.run } : { text: t('runs.none') },
      { text: '', bars: bars.map((bar) => ({ height: bar.elapsed_s / longest, tone: verdictTone(bar.verdict), title: `${bar.run}: ${verdictLabel(app, bar.verdict)}` })) },
    ],
  }
}

function newPage(app: App): PageModel {
  const { t } = app
  const draft = app.draft('new')
  const template = app.use('template', () => app.client.call('getFleetTemplate', { method: 'GET', path: '/fleets/template', query: { name: 'my-fleet' } }))
  const document = draft['document'] ?? template.data?.document ?? ''
  const fields: Field[] = [
    { key: 'name', label: t('env.name'), type: 'text', value: draft['name'] ?? '', required: true, hint: t('env.nameHint') },
    { key: 'emulated', label: t('target.emulatedLong'), type: 'check', value: draft['emulated'] ?? '' },
    { key: 'document', label: t('env.yaml'), type: 'area', value: document, rows: 22, mono: true, wide: true, ...(draft['faults'] ? { error: draft['faults'] } : {}) },
    { key: 'note', label: t('note'), type: 'text', value: draft['note'] ?? '', wide: true },
  ]
  return {
    title: t('env.new'), heading: t('env.new'), crumbs: [{ label: t('nav.environments'), href: app.link(['environments']) }], buttons: [],
    blocks: [{
      kind: 'section', key: 'new', size: 'full', title: t('env.new'), hint: t('env.newHint'), buttons: [],
      blocks: [
        ...refusal(draft),
        { kind: 'form', key: 'new', label: t('env.new'), fields, submit: { do: 'call', name: 'createEnvironment' }, buttons: [{ key: 'create', label: t('env.create'), tone: 'primary', act: { do: 'call', name: 'createEnvironment' }, disabled: !draft['name'] }] },
      ],
    }],
  }
}

const TABS = ['form', 'yaml', 'revisions', 'rehearse', 'clone'] as const

function environmentPage(app: App, name: string, tabName: string): PageModel {
  const { t } = app
  const tab = TABS.find((known) => known === tabName) ?? 'form'
  app.environment()
  const detail = app.detail(name)
  const page = { title: `${name} · ${t('nav.environments')}`, heading: name, crumbs: [{ label: t('nav.environments'), href: app.link(['environments']) }] }
  if (!detail.data) return { ...page, buttons: [], blocks: [loading(app, detail.problem?.message)] }
  const environment = detail.data
  const blocks: Block[] = []
  if (environment.lock) blocks.push({ kind: 'notice', key: 'lock', tone: 'ask', title: t('env.lockedBy', { by: environment.lock.by }), text: environment.lock.reason, buttons: [] })
  if (environment.archived) blocks.push({ kind: 'notice', key: 'archived', tone: 'neutral', title: t('env.archived'), text: t('env.archivedText'), buttons: [] })
  if (environment.unresolved?.length && !environment.target.emulated) blocks.push({ kind: 'notice', key: 'unresolved', tone: 'warn', title: t('env.unresolved'), text: environment.unresolved.join(', '), buttons: [] })
  blocks.push({
    kind: 'tabs', key: 'tabs', label: t('env.views'),
    items: TABS.filter((known) => known !== 'clone' || environment.allowed.includes('clone')).map((known) => ({ key: known, label: t(`envtab.${known}`), href: app.link(['environments', name, known]), current: known === tab })),
  })
  return { ...page, buttons: environmentButtons(app, environment), blocks: [...blocks, ...tabBlocks(app, environment, tab)] }
}

function environmentButtons(app: App, { name, allowed }: EnvironmentDetail): Button[] {
  const buttons: Button[] = []
  for (const kind of ['deploy', 'verify', 'destroy'] as const) {
    if (allowed.includes(kind)) buttons.push(verbButton(app, { verb: 'start', environment: name, kind }, kind, kind === 'deploy' ? { tone: 'primary', icon: 'play' } : kind === 'destroy' ? { tone: 'danger', icon: 'stop' } : { icon: 'check' }))
  }
  for (const verb of ['lock', 'unlock', 'archive', 'restore'] as const) if (allowed.includes(verb)) buttons.push(verbButton(app, { verb, environment: name }, verb, { tone: 'plain', ...(verb === 'lock' ? { icon: 'lock' as const } : {}) }))
  return buttons
}

function tabBlocks(app: App, environment: EnvironmentDetail, tab: (typeof TABS)[number]): Block[] {
  if (tab === 'revisions') return revisions(app, environment)
  if (tab === 'rehearse') return rehearsal(app, environment)
  if (tab === 'clone') return clone(app, environment)
  return editor(app, environment, tab)
}
