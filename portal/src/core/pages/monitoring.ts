/** What the living network says of itself, with plots. */
import type { MonitoringHistory, MonitoringSample } from '../api/types'
import type { App } from '../app/app'
import type { Words } from '../i18n'
import type { Block, PageModel, Stat } from '../view/blocks'
import { monitoring } from './now'
import { alertItems, loading, wholeOf, withoutEnvironment } from './parts'

export function monitoringPage(app: App): PageModel {
  const { t, words } = app
  const environment = app.environment()
  const page = { title: t('nav.monitoring'), heading: t('nav.monitoring'), crumbs: [], buttons: [{ key: 'again', label: t('monitoring.now'), icon: 'retry' as const, act: { do: 'call' as const, name: 'sample' } }] }
  if (!environment) return { ...page, buttons: [], blocks: [withoutEnvironment(app)] }
  const { data: sample, problem } = monitoring(app, environment.name)
  const history = app.use<MonitoringHistory>(`monitoring-history/${environment.name}`, () => app.client.call('getMonitoringHistory', { method: 'GET', path: `/environments/${environment.name}/monitoring/history`, query: { seconds: 3600, points: 240 } }))
  app.every(5000, 'monitoring')
  if (!sample) return { ...page, blocks: [loading(app, problem?.message)] }
  if (sample.state === 'never') return { ...page, blocks: [{ kind: 'empty', key: 'never', title: t('monitoring.never'), text: t('monitoring.neverText'), code: '', buttons: [] }] }
  const network = sample.network
  const value = known(words)
  const stats: Stat[] = network
    ? [
        { key: 'head', label: t('monitoring.head'), value: value(network.head), hint: network.head_age_s == null ? '' : t('monitoring.age', { time: words.duration(network.head_age_s) }), tone: 'neutral' },
        { key: 'validators', label: t('validators'), value: `${network.answering}/${network.validators}`, hint: t('monitoring.quorum', { n: network.quorum }), tone: network.answering < network.validators ? 'warn' : 'good' },
        { key: 'margin', label: t('monitoring.margin'), value: value(network.margin), hint: t('monitoring.marginHint'), tone: network.margin <= 0 ? 'bad' : network.margin < 4 ? 'warn' : 'good' },
        { key: 'peers', label: t('monitoring.peers'), value: value(network.peers_min), hint: t('monitoring.peersHint'), tone: 'neutral' },
        { key: 'round', label: t('monitoring.round'), value: value(network.round), hint: t('monitoring.roundHint'), tone: network.round ? 'warn' : 'neutral' },
      ]
    : []
  const blocks: Block[] = []
  if (sample.state !== 'live') blocks.push({ kind: 'notice', key: 'state', tone: 'warn', title: t(`monitoring.${sample.state === 'unreachable' ? 'unreachable' : 'stale'}`), text: sample.problem || (sample.wall ? t('monitoring.since', { when: words.dateTime(sample.wall * 1000) }) : ''), buttons: [] })
  if (stats.length) blocks.push({ kind: 'stats', key: 'network', items: stats })
  blocks.push(...plots(app, history.data, history.problem?.message), regionHealth(app, sample.regions ?? []), oracles(app, sample.oracle ?? []), limits(app, sample.limits ?? []), alerts(app, sample.alerts))
  return { ...page, blocks }
}

function plots(app: App, history: MonitoringHistory | undefined, problem: string | undefined): Block[] {
  const { t } = app
  const points = history?.points ?? []
  const plot = (key: 'head' | 'head_age_s' | 'answering' | 'peers_min', title: string): Block => ({
    kind: 'section', key: `plot-${key}`, size: 'half', title, hint: '', buttons: [],
    // Until the history is here nobody knows whether there was a second look.
    blocks: [!history ? loading(app, problem) : points.length > 1
      ? { kind: 'panel', key, panel: 'plot', label: title, input: { x: points.map((point) => point.wall), y: points.map((point) => point[key] ?? null), title, locale: app.words.locale } }
      : { kind: 'empty', key: 'none', title: t('monitoring.noHistory'), text: '', code: '', buttons: [] }],
  })
  return [plot('head', t('monitoring.head')), plot('head_age_s', t('monitoring.headAge')), plot('answering', t('monitoring.answering')), plot('peers_min', t('monitoring.peers'))]
}

const known = (words: Words) => (number: number | null | undefined): string => (number == null ? '—' : words.number(number))

function regionHealth(app: App, regions: NonNullable<MonitoringSample['regions']>): Block {
  const { t, words } = app
  const value = known(words)
  return {
    kind: 'section', key: 'regions', size: 'main', title: t('nav.regions'), hint: '', buttons: [],
    blocks: [{
      kind: 'table', key: 'health', caption: t('nav.regions'), empty: t('monitoring.noRegions'),
      columns: [{ key: 'region', label: t('region') }, { key: 'validators', label: t('validators') }, { key: 'head', label: t('monitoring.head'), align: 'end' }, { key: 'age', label: t('monitoring.headAge'), align: 'end' }, { key: 'peers', label: t('monitoring.peers'), align: 'end' }, { key: 'round', label: t('monitoring.round'), align: 'end' }],
      rows: regions.map((region) => ({
        key: region.region, cells: [
          { text: region.region, href: app.link(['regions', region.region]) }, { text: '', badge: { text: `${region.answering}/${region.validators}`, tone: region.answering === region.validators ? 'good' as const : region.answering ? 'warn' as const : 'bad' as const } },
          { text: value(region.head), align: 'end' as const }, { text: region.head_age_s == null ? '—' : words.duration(region.head_age_s), align: 'end' as const }, { text: value(region.peers_min), align: 'end' as const }, { text: value(region.round), align: 'end' as const },
        ],
      })),
    }],
  }
}

function oracles(app: App, feeds: NonNullable<MonitoringSample['oracle']>): Block {
  const { t, words } = app
  return {
    kind: 'section', key: 'oracle', size: 'side', title: t('monitoring.oracle'), hint: '', buttons: [],
    blocks: [{
      kind: 'table', key: 'oracle', caption: t('monitoring.oracle'), empty: t('monitoring.noOracle'), columns: [{ key: 'chain', label: t('monitoring.chain') }, { key: 'fresh', label: t('state') }, { key: 'age', label: t('monitoring.ageLabel'), align: 'end' }],
      rows: feeds.map((feed) => ({ key: feed.chain, cells: [{ text: feed.chain, hint: feed.address }, { text: '', badge: { text: t(feed.fresh ? 'monitoring.fresh' : 'monitoring.old'), tone: feed.fresh ? 'good' as const : 'bad' as const } }, { text: feed.age_s == null ? '—' : words.duration(feed.age_s), align: 'end' as const }] })),
    }],
  }
}

function limits(app: App, list: NonNullable<MonitoringSample['limits']>): Block {
  const { t, words } = app
  return {
    kind: 'section', key: 'limits', size: 'half', title: t('limits.title'), hint: t('limits.headroomHint'), buttons: [],
    blocks: [{
      kind: 'table', key: 'limits', caption: t('limits.title'), empty: t('limits.none'), columns: [{ key: 'limit', label: t('limit') }, { key: 'use', label: t('limits.use'), align: 'end' }, { key: 'waiting', label: t('limits.waiting'), align: 'end' }, { key: 'throttled', label: t('stat.throttled'), align: 'end' }, { key: 'room', label: t('limits.headroom'), align: 'end' }],
      rows: list.map((limit) => ({ key: limit.name, cells: [{ text: limit.name, mono: true }, { text: `${words.number(limit.in_use, 1)}/${words.number(wholeOf(limit), 1)}`, align: 'end' as const }, { text: words.number(limit.waiting), align: 'end' as const }, { text: words.number(limit.throttled ?? 0), align: 'end' as const }, { text: words.percent(limit.headroom), align: 'end' as const, share: limit.headroom, tone: limit.headroom < 0.1 ? 'warn' as const : 'good' as const }] })),
    }],
  }
}

function alerts(app: App, list: MonitoringSample['alerts'] | undefined): Block {
  const { t } = app
  return {
    kind: 'section', key: 'alerts', size: 'half', title: t('monitoring.alerts'), hint: '', buttons: [],
    blocks: [{ kind: 'items', key: 'alerts', label: t('monitoring.alerts'), empty: t('monitoring.noAlerts'), items: alertItems(list) }],
  }
}
