/** The command palette: places, runs, environments, regions and what can be done now, found by typing. */
import type { RunSummary } from '../api/types'
import type { Act } from '../view/blocks'
import type { App } from './app'
import { runButtons, TABS } from '../pages/parts'

export interface PaletteItem {
  readonly key: string
  readonly label: string
  readonly hint: string
  readonly act: Act
}

const MOST = 12
export const NAV = ['now', 'runs', 'environments', 'regions', 'monitoring', 'audit', 'access', 'settings'] as const

export function paletteItems(app: App): PaletteItem[] {
  const words = (app.draft('palette')['query'] ?? '').toLowerCase().split(/\s+/).filter(Boolean)
  return everything(app).filter((item) => words.every((word) => `${item.label} ${item.hint}`.toLowerCase().includes(word))).slice(0, MOST)
}

function everything(app: App): PaletteItem[] {
  const { t } = app
  const go = (key: string, label: string, hint: string, to: string): PaletteItem => ({ key, label, hint, act: { do: 'go', to } })
  const items = app.run?.model ? runButtons(app, app.run).map((button) => ({ key: `do ${button.key}`, label: button.label, hint: app.run!.run, act: button.act })) : []
  for (const name of NAV) items.push(go(`nav ${name}`, t(`nav.${name}`), t('palette.page'), app.link([name])))
  if (app.run) for (const tab of TABS) items.push(go(`tab ${tab}`, t(`tab.${tab}`), app.run.run, app.link(['runs', app.run.run, tab])))
  for (const environment of app.environments().data ?? []) items.push(go(`environment ${environment.name}`, environment.name, t('environment'), app.link(['environments', environment.name, 'form'], { env: environment.name })))
  for (const run of app.resources.peek<RunSummary[]>(`runs/${app.environmentName}`) ?? []) items.push(go(`run ${run.run}`, run.run, t('run'), app.link(['runs', run.run, 'matrix'])))
  for (const row of app.run?.model?.rows ?? []) items.push(go(`region ${row.region}`, row.region ?? '', t('region'), app.link(['runs', app.run!.run, 'matrix'], { region: row.region })))
  items.push({ key: 'theme', label: t('tool.theme'), hint: t('nav.settings'), act: { do: 'call', name: 'theme' } }, { key: 'help', label: t('tool.help'), hint: t('nav.settings'), act: { do: 'call', name: 'help' } })
  return items
}
