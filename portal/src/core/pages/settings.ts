/** Theme, density, language, keys; what everybody shares; versions. */
import type { Settings } from '../api/types'
import type { App } from '../app/app'
import { COMMANDS } from '../app/keys'
import { LANGUAGES } from '../i18n'
import type { Block, Field, PageModel } from '../view/blocks'
import { refusal } from './parts'

export function settingsPage(app: App): PageModel {
  const { t } = app
  app.environment()
  const { preferences } = app
  const select = (key: string, label: string, value: string, options: readonly (readonly [string, string])[]): Field => ({ key, label, type: 'select', value, options: options.map(([id, name]) => ({ value: id, label: name })) })
  const own: Field[] = [
    select('theme', t('settings.theme'), preferences.theme, [['auto', t('theme.auto')], ['light', t('theme.light')], ['dark', t('theme.dark')]]),
    select('density', t('settings.density'), preferences.density, [['comfortable', t('density.comfortable')], ['compact', t('density.compact')]]),
    select('language', t('settings.language'), preferences.language, LANGUAGES.map((language) => [language, t(`language.${language}`)] as const)),
    { key: 'localTimes', label: t('settings.localTimes'), type: 'check', value: preferences.localTimes ? 'yes' : '' },
    { key: 'letters', label: t('settings.letters'), type: 'check', value: preferences.letters ? 'yes' : '' },
  ]
  const frameworks = (app.meta?.available_ui ?? []).filter((name) => name !== app.world.framework)
  const shared = app.use<Settings>('settings', () => app.client.call('getSettings', { method: 'GET', path: '/settings' }))
  const admin = app.who?.permissions.includes('admin') ?? false
  const blocks: Block[] = [
    { kind: 'section', key: 'own', size: 'half', title: t('settings.own'), hint: t('settings.ownHint'), buttons: [], blocks: [{ kind: 'form', key: 'preferences', label: t('settings.own'), fields: own, buttons: [], submit: { do: 'call', name: 'nothing' } }] },
    {
      kind: 'section', key: 'about', size: 'half', title: t('settings.about'), hint: '', buttons: frameworks.map((name) => ({ key: name, label: t('settings.switch', { name }), act: { do: 'call', name: 'framework', args: [name] } })),
      blocks: [{ kind: 'facts', key: 'about', items: [{ label: t('settings.version'), value: app.meta?.version ?? '' }, { label: t('settings.framework'), value: app.world.framework }, { label: t('settings.licence'), value: 'Apache-2.0' }, { label: t('settings.map'), value: 'Natural Earth' }] }],
    },
  ]
  if (shared.data && admin) {
    const draft = app.draft('shared')
    const fields: Field[] = [
      select('ui', t('settings.defaultUi'), draft['ui'] ?? shared.data.ui ?? 'vue', [['vue', 'Vue'], ['react', 'React']]),
      { key: 'read_only', label: t('settings.readOnly'), type: 'check', value: draft['read_only'] ?? (shared.data.read_only ? 'yes' : '') },
      { key: 'reason', label: t('reason'), type: 'text', value: draft['reason'] ?? '', wide: true },
    ]
    const act = { do: 'call' as const, name: 'saveSettings' }
    blocks.push({ kind: 'section', key: 'shared', size: 'half', title: t('settings.shared'), hint: t('settings.sharedHint'), buttons: [], blocks: [...refusal(draft), { kind: 'form', key: 'shared', label: t('settings.shared'), fields, submit: act, buttons: [{ key: 'save', label: t('edit.save'), tone: 'primary', act }] }] })
  }
  const keys: Field[] = COMMANDS.map((command) => ({ key: command, label: t(`key.${command}`), type: 'text', value: preferences.bindings[command], mono: true }))
  blocks.push({ kind: 'section', key: 'keys', size: 'full', title: t('settings.keys'), hint: t('settings.keysHint'), buttons: [{ key: 'reset', label: t('settings.resetKeys'), act: { do: 'call', name: 'resetKeys' } }], blocks: [{ kind: 'form', key: 'bindings', label: t('settings.keys'), fields: keys, buttons: [], submit: { do: 'call', name: 'nothing' } }] })
  return { title: t('nav.settings'), heading: t('nav.settings'), crumbs: [], buttons: [], blocks }
}
