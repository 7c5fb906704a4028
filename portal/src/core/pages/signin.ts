/** Signing in, in the way that this portal offers. */
import type { App } from '../app/app'
import type { Block, PageModel } from '../view/blocks'

export function signInPage(app: App): PageModel {
  const { t } = app
  const draft = app.draft('signin')
  const local = app.meta?.mode !== 'server'
  const blocks: Block[] = []
  if (app.problem) blocks.push({ kind: 'notice', key: 'problem', tone: 'bad', title: t('signin.refused'), text: app.problem, buttons: [] })
  if (app.meta) blocks.push({ kind: 'empty', key: 'how', title: t(local ? 'signin.local' : 'signin.server'), text: t(local ? 'signin.localText' : 'signin.serverText'), code: local ? 'chainfleet portal' : '', buttons: app.meta.oidc ? [{ key: 'oidc', label: t('signin.oidc'), tone: 'primary', act: { do: 'call', name: 'login' } }] : [] })
  const act = { do: 'call' as const, name: 'useToken' }
  blocks.push({ kind: 'form', key: 'signin', label: t('signin.token'), fields: [{ key: 'token', label: t('signin.token'), type: 'password', value: draft['token'] ?? '', wide: true, mono: true }], submit: act, buttons: [{ key: 'use', label: t('signin.use'), tone: app.meta?.oidc ? 'plain' : 'primary', act, disabled: !draft['token'] }] })
  return { title: t('signin.title'), heading: t('signin.title'), crumbs: [], buttons: [], blocks: [{ kind: 'section', key: 'signin', size: 'full', title: t('signin.title'), hint: '', buttons: [], blocks }] }
}
