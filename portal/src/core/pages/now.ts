/** Now: is anything wrong, where, why, what to do. */
import type { EnvironmentSummary, MonitoringSample } from '../api/types'
import type { App } from '../app/app'
import type { Resource } from '../app/resources'
import type { OpenRun } from '../app/runs'
import { nightPath, place } from '../draw/earth'
import type { Block, PageModel } from '../view/blocks'
import { alertItems, attention, lead, ledgerNotice, matrixBlock, opening, regionFacts, runButtons, runNow, stats, TONES, verbButton, withoutEnvironment } from './parts'

export function nowPage(app: App): PageModel {
  const { t } = app
  const environment = app.environment()
  const page = { title: t('nav.now'), heading: environment ? environment.name : t('nav.now'), crumbs: [], buttons: [] }
  if (!environment) return { ...page, blocks: [withoutEnvironment(app)] }
  const trouble = ledgerNotice(app, environment)
  // The list is asked again until the ledger is back: no stream says that of one that was never opened.
  if (trouble.length) app.every(5000, 'environments')
  // What was known of the run stays in sight meanwhile.
  const known = app.run?.environment === environment.name ? app.run : null
  const open = environment.run ? app.openRun(environment.run.run) : trouble.length ? known : null
  if (!open) return { ...page, blocks: trouble.length ? trouble : noRun(app, environment) }
  if (!open.model || !open.matrix) return { ...page, blocks: [...trouble, opening(app, open)] }
  const insight = open.insight(app.world.now(), runNow(app, open.model))
  const items = [...attention(app, open, insight), ...alertItems(monitoring(app, environment.name).data?.alerts, app.link(['monitoring']))]
  const failed = open.model.counts.failed
  return {
    title: failed ? t('title.failed', { n: failed, name: environment.name }) : `${t('nav.now')} · ${environment.name}`,
    heading: environment.name,
    crumbs: [],
    buttons: [...runButtons(app, open), ...(open.model.verdict === null ? [] : startButtons(app, environment))],
    blocks: [
      ...trouble,
      lead(app, open, insight),
      stats(app, open),
      {
        kind: 'section', key: 'matrix', size: 'main', title: t('matrix.title'), hint: t('matrix.hint'),
        buttons: [{ key: 'run', label: t('now.openRun'), act: { do: 'go', to: app.link(['runs', open.run, 'matrix']) }, icon: 'next' }],
        blocks: [matrixBlock(app, open, open.matrix, { selected: '', group: '', at: null, only: '' })],
      },
      {
        kind: 'section', key: 'attention', size: 'side', title: t('attention.title'), hint: items.length ? t('attention.count', { n: items.length }) : '', buttons: [],
        blocks: [{ kind: 'items', key: 'attention', label: t('attention.title'), items, empty: t('attention.none') }],
      },
      { kind: 'section', key: 'map', size: 'full', title: t('map.title'), hint: t('map.hint'), buttons: [], blocks: [mapBlock(app, open)] },
    ],
  }
}

export function startButtons(app: App, environment: EnvironmentSummary): PageModel['buttons'] {
  const { allowed, lock, run } = environment
  // Who ended a run holds the environment for a moment longer, and writes nothing when it lets go.
  if (run?.state === 'finished' && !lock && allowed.includes('rehearse') && !allowed.includes('deploy')) app.every(1000, 'environment')
  const kinds = (['deploy', 'verify'] as const).filter((kind) => allowed.includes(kind))
  return kinds.map((kind) => verbButton(app, { verb: 'start', environment: environment.name, kind }, kind, kind === 'deploy' ? { tone: 'primary', icon: 'play' } : { icon: 'check' }))
}

function noRun(app: App, environment: EnvironmentSummary): Block[] {
  const { t } = app
  const fleet = environment.fleet
  return [{
    kind: 'empty', key: 'empty', title: t('now.noRun'),
    text: fleet ? t('now.noRunText', { regions: fleet.regions.length, validators: fleet.validators }) : '',
    code: `chainfleet deploy ${environment.name}.yaml${environment.target.emulated ? ' --emulated' : ''}`,
    buttons: startButtons(app, environment),
  }]
}

export function mapBlock(app: App, open: OpenRun): Block {
  const facts = regionFacts(app)
  const now = app.now()
  const points = open.matrix!.rows().flatMap((row) => {
    const region = facts.get(row.region ?? '')
    if (!region || region.latitude == null || region.longitude == null) return []
    const [x, y] = place(region.latitude, region.longitude)
    return [{
      key: region.name, x, y, state: row.state, tone: TONES[row.state],
      label: `${region.display_name}: ${app.t(`state.${row.state}`)}`, href: app.link(['runs', open.run, 'matrix'], { region: region.name }),
    }]
  })
  return { kind: 'panel', key: 'map', panel: 'map', label: app.t('map.label', { n: points.length }), input: { points, night: nightPath(Math.floor(now / 600_000) * 600_000) } }
}

export function monitoring(app: App, environment: string): Resource<MonitoringSample> {
  return app.use(`monitoring/${environment}`, () => app.client.call('getMonitoring', { method: 'GET', path: `/environments/${environment}/monitoring` }))
}
