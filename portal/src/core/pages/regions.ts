/** The regions that a fleet can name: where they lie, what time it is there, how they fared. */
import type { RegionDetail } from '../api/types'
import type { App } from '../app/app'
import { localTime } from '../draw/earth'
import { PHASES } from '../model/matrix'
import type { PageModel } from '../view/blocks'
import { loading, phaseLabel, regionList, verdictLabel, verdictTone } from './parts'

export function regionsPage(app: App): PageModel {
  const { t, words } = app
  const name = app.route.path[1]
  if (name) return regionPage(app, name)
  const own = new Set((app.environment()?.fleet?.regions ?? []).map((region) => region.name))
  const page = { title: t('nav.regions'), heading: t('nav.regions'), crumbs: [], buttons: [] }
  const { data: facts, problem } = regionList(app)
  if (!facts) return { ...page, blocks: [loading(app, problem?.message)] }
  const search = (app.route.query['q'] ?? '').toLowerCase()
  const continent = app.route.query['continent'] ?? ''
  const continents = [...new Set(facts.map((region) => region.continent ?? ''))].filter(Boolean).sort()
  const mine = app.route.query['own'] === 'yes'
  const found = facts.filter((region) => `${region.name} ${region.display_name}`.toLowerCase().includes(search) && (!continent || region.continent === continent) && (!mine || own.has(region.name)))
  return {
    ...page,
    blocks: [
      {
        kind: 'bar', key: 'regions-bar', label: t('filters'),
        buttons: [{ key: 'own', label: t('regions.own'), pressed: mine, act: { do: 'query', set: { own: mine ? null : 'yes' } } }],
        choices: [{ key: 'continent', label: t('continent'), value: continent, options: [{ value: '', label: t('only.all') }, ...continents.map((value) => ({ value, label: value }))], act: { do: 'query', set: { continent: '*' } } }],
        search: { key: 'q', label: t('regions.search'), type: 'search', value: app.route.query['q'] ?? '', act: { do: 'query', set: { q: '*' } } },
      },
      {
        kind: 'section', key: 'regions', size: 'full', title: t('regions.count', { n: found.length }), hint: '', buttons: [],
        blocks: [{
          kind: 'table', key: 'regions', caption: t('nav.regions'), empty: t('noMatch'),
          columns: [{ key: 'name', label: t('region') }, { key: 'id', label: t('regions.id') }, { key: 'cloud', label: t('cloud') }, { key: 'continent', label: t('continent') }, { key: 'zones', label: t('zones'), align: 'end' }, { key: 'local', label: t('localTime') }, { key: 'in', label: t('regions.in') }],
          rows: found.map((region) => {
            const local = localTime(app.now(), region.time_zone ?? '', words.locale)
            return {
              key: `${region.cloud}/${region.name}`, cells: [
                { text: region.display_name, href: app.link(['regions', region.name]) }, { text: region.name, mono: true }, { text: region.cloud }, { text: region.continent ?? '' }, { text: region.zones ? String(region.zones) : '—', align: 'end' as const },
                local ? { text: '', badge: { text: local.text, tone: local.business ? 'warn' as const : 'quiet' as const }, hint: local.business ? t('businessHours') : (region.time_zone ?? '') } : { text: '' }, { text: (region.environments ?? []).join(', ') },
              ],
            }
          }),
        }],
      },
    ],
  }
}

function regionPage(app: App, name: string): PageModel {
  const { t, words } = app
  app.environment()
  const found = app.use<RegionDetail>(`region/${name}`, () => app.client.call('getRegion', { method: 'GET', path: `/regions/${name}` }))
  const crumbs = [{ label: t('nav.regions'), href: app.link(['regions']) }]
  if (!found.data) return { title: name, heading: name, crumbs, buttons: [], blocks: [loading(app, found.problem?.message)] }
  const region = found.data
  const local = localTime(app.now(), region.time_zone ?? '', words.locale)
  return {
    title: region.display_name, heading: region.display_name, crumbs, buttons: [],
    blocks: [
      {
        kind: 'section', key: 'facts', size: 'side', title: t('regions.facts'), hint: '', buttons: [],
        blocks: [{ kind: 'facts', key: 'facts', items: [{ label: t('regions.id'), value: region.name, mono: true }, { label: t('cloud'), value: region.cloud }, { label: t('continent'), value: region.continent ?? '' }, { label: t('zones'), value: String(region.zones ?? 0) }, { label: t('localTime'), value: local ? `${local.text} (${region.time_zone ?? ''})` : '—' }, { label: t('regions.restricted'), value: t(region.restricted ? 'yes' : 'no') }] }],
      },
      {
        kind: 'section', key: 'history', size: 'main', title: t('regions.history'), hint: '', buttons: [],
        blocks: [{
          kind: 'table', key: 'history', caption: t('regions.history'), empty: t('regions.noHistory'),
          columns: [{ key: 'run', label: t('run') }, { key: 'verdict', label: t('state') }, ...PHASES.map((phase) => ({ key: phase, label: phaseLabel(app, phase), align: 'end' as const })), { key: 'errors', label: t('regions.errors') }],
          rows: (region.history ?? []).map((past) => ({
            key: `${past.environment}/${past.run}`, cells: [
              { text: past.run, mono: true, href: app.link(['runs', past.run, 'matrix'], { env: past.environment, region: name }) }, { text: '', badge: { text: verdictLabel(app, past.verdict), tone: verdictTone(past.verdict) } },
              ...PHASES.map((phase) => ({ text: past.phases[phase] === undefined ? '—' : words.duration(past.phases[phase]!), align: 'end' as const })), { text: past.errors.join('; ') },
            ],
          })),
        }],
      },
    ],
  }
}
