/** The frame around every page: navigation, environment, link badge, tools, overlays. */
import { page } from '../pages'
import type { DialogModel, NavItem, ShellModel } from '../view/blocks'
import type { App } from './app'
import { COMMANDS } from './keys'
import { NAV, paletteItems } from './palette'
import { sheetDialog } from './sheet'

export function shell(app: App): ShellModel {
  const { t } = app
  const model = page(app)
  app.world.setTitle(`${model.title} · chainfleet`)
  const signedIn = app.who !== null
  const list = app.resources.peek<{ name: string; archived?: boolean }[]>('environments') ?? []
  return {
    signedIn, page: model, skip: t('skip'), brand: 'chainfleet', navLabel: t('nav'), nav: signedIn ? nav(app) : [],
    environment: signedIn && list.length ? { key: 'environment', label: t('environment'), value: app.environmentName, options: list.filter(({ archived, name }) => !archived || name === app.environmentName).map(({ name }) => ({ value: name, label: name })), act: { do: 'call', name: 'environment' } } : null,
    link: link(app),
    tools: [
      ...(signedIn ? [{ key: 'palette', label: t('tool.palette'), icon: 'search' as const, act: { do: 'call' as const, name: 'palette' } }] : []),
      { key: 'theme', label: t('tool.themeIs', { theme: t(`theme.${app.preferences.theme}`) }), icon: app.preferences.theme === 'dark' ? 'moon' : app.preferences.theme === 'light' ? 'sun' : 'auto', act: { do: 'call', name: 'theme' } },
      { key: 'help', label: t('tool.help'), icon: 'keys', act: { do: 'call', name: 'help' } },
    ],
    who: app.who ? `${app.who.name} · ${app.words.word(`role.${app.who.role}`, app.who.role)}` : '',
    banner: app.meta?.read_only ? { tone: 'ask', text: t('readOnly') } : null,
    dialog: dialog(app), toasts: app.toasts, closeLabel: t('close'), announcement: app.announcement, busy: app.booting,
  }
}

function nav(app: App): NavItem[] {
  const failed = app.run?.model && app.run.model.verdict === null ? app.run.model.counts.failed : 0
  return NAV.filter((name) => app.world.framework !== 'file' || name === 'now' || name === 'runs').map((name) => ({
    key: name, label: app.t(`nav.${name}`), icon: name, href: app.link([name]), current: app.route.path[0] === name || (name === 'runs' && app.route.path[0] === 'compare'),
    count: name === 'now' && failed ? String(failed) : '',
  }))
}

function link(app: App): ShellModel['link'] {
  const { t, words } = app
  if (app.world.framework === 'file') return { tone: 'neutral', text: t('link.file'), hint: t('link.fileHint') }
  if (!app.who) return { tone: 'quiet', text: t('link.none'), hint: '' }
  const { state, since, detail, lagMs, away } = app.feed.link.getSnapshot()
  switch (state) {
    case 'live':
      if (away) return { tone: 'bad', text: t('link.away', { when: words.time(away.since * 1000) }), hint: away.detail }
      return lagMs !== null && lagMs > 3000 ? { tone: 'warn', text: t('link.behind', { time: words.duration(lagMs / 1000) }), hint: '' } : { tone: 'good', text: t('link.live'), hint: t('link.liveHint') }
    case 'stale':
      return { tone: 'bad', text: t('link.stale', { when: words.time(since) }), hint: detail }
    case 'refused':
      return { tone: 'bad', text: t('link.refused'), hint: detail }
    default:
      return { tone: 'quiet', text: t('link.connecting'), hint: detail }
  }
}

function dialog(app: App): DialogModel | null {
  const { t, overlay } = app
  if (!overlay) return null
  if (overlay.kind === 'sheet') return sheetDialog(app, overlay.sheet)
  if (overlay.kind === 'help') {
    return {
      key: 'help', title: t('help.title'), size: 'large', buttons: [],
      blocks: [{
        kind: 'table', key: 'keys', caption: t('help.title'), empty: '', columns: [{ key: 'key', label: t('help.key') }, { key: 'does', label: t('help.does') }],
        rows: [
          ...COMMANDS.map((name) => ({ key: name, cells: [{ text: app.preferences.bindings[name].replace('mod', 'Ctrl').replace('+', ' + '), mono: true }, { text: t(`key.${name}`) }] })),
          { key: 'grid', cells: [{ text: '← ↑ → ↓  h j k l', mono: true }, { text: t('help.grid') }] }, { key: 'enter', cells: [{ text: 'Enter', mono: true }, { text: t('help.enter') }] },
        ],
      }],
    }
  }
  const items = paletteItems(app)
  const at = Math.min(Number(app.draft('palette')['at'] ?? 0), items.length - 1)
  return {
    key: 'palette', title: t('tool.palette'), size: 'small', buttons: [],
    blocks: [{ kind: 'palette', key: 'palette', label: t('palette.label'), value: app.draft('palette')['query'] ?? '', empty: t('noMatch'), items: items.map((item, i) => ({ ...item, active: i === at })) }],
  }
}
