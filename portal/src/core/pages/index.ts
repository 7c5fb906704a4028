/** Which page a path shows. What operators look at first is in the first load; the rest comes when asked for. */
import type { App } from '../app/app'
import type { PageModel } from '../view/blocks'
import { nowPage } from './now'
import { loading } from './parts'
import { signInPage } from './signin'

type Page = (app: App) => PageModel

const FIRST: Readonly<Record<string, Page>> = { now: nowPage }
const LATER: Readonly<Record<string, () => Promise<Page>>> = {
  run: async () => (await import('./run')).runPage,
  runs: async () => (await import('./runs')).runsPage,
  compare: async () => (await import('./runs')).comparePage,
  environments: async () => (await import('./environments')).environmentsPage,
  regions: async () => (await import('./regions')).regionsPage,
  monitoring: async () => (await import('./monitoring')).monitoringPage,
  audit: async () => (await import('./audit')).auditPage,
  access: async () => (await import('./access')).accessPage,
  settings: async () => (await import('./settings')).settingsPage,
}

export function page(app: App): PageModel {
  const { t } = app
  const [first = 'now', second] = app.route.path
  const name = first === 'runs' && second ? 'run' : first === 'run' ? '' : first
  if (app.booting) return blank(t('loading'))
  if (!app.who) return signInPage(app)
  const now = FIRST[name]
  if (now) return now(app)
  const later = LATER[name]
  if (!later) {
    const button = { key: 'now', label: t('nav.now'), tone: 'primary' as const, act: { do: 'go' as const, to: app.link(['now']) } }
    return { ...blank(t('notFound')), blocks: [{ kind: 'empty', key: 'none', title: t('notFound'), text: t('notFound.text'), code: '', buttons: [button] }] }
  }
  const loaded = app.use<Page>(`page/${name}`, later)
  return loaded.data ? loaded.data(app) : { ...blank(second && name === 'run' ? second : t(`nav.${name === 'compare' ? 'runs' : (name as 'runs')}`)), blocks: [loading(app, loaded.problem?.message)] }
}

const blank = (heading: string): PageModel => ({ title: heading, heading, crumbs: [], buttons: [], blocks: [] })
