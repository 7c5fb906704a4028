/** Who the reader is, what roles may do, and tokens. */
import type { AccessView, TokenView } from '../api/types'
import type { App } from '../app/app'
import type { Block, Field, PageModel } from '../view/blocks'
import { copyButton, forbidden, refusal } from './parts'

export function accessPage(app: App): PageModel {
  const { t, words } = app
  app.environment()
  const access = app.use<AccessView>('access', () => app.client.call('getAccess', { method: 'GET', path: '/access' }))
  const admin = app.who?.permissions.includes('admin') ?? false
  const tokens = admin ? app.use<TokenView[]>('tokens', () => app.client.all<TokenView>({ method: 'GET', path: '/tokens', query: { limit: 200 } }, 2000)).data : undefined
  const who = app.who!
  const blocks: Block[] = [{
    kind: 'section', key: 'you', size: 'half', title: t('access.you'), hint: '', buttons: [{ key: 'leave', label: t('access.signOut'), act: { do: 'call', name: 'leave' } }],
    blocks: [{ kind: 'facts', key: 'you', items: [{ label: t('access.name'), value: who.name }, { label: t('access.role'), value: words.word(`role.${who.role}`, who.role) }, { label: t('access.how'), value: words.word(`kind.${who.kind}`, who.kind) }, { label: t('access.mode'), value: access.data ? words.word(`mode.${access.data.mode}`, access.data.mode) : '' }, { label: t('access.fourEyes'), value: access.data ? t(access.data.four_eyes ? 'yes' : 'no') : '' }] }],
  }]
  if (access.data) {
    blocks.push({
      kind: 'section', key: 'roles', size: 'half', title: t('access.roles'), hint: '', buttons: [],
      blocks: [{ kind: 'table', key: 'roles', caption: t('access.roles'), empty: '', columns: [{ key: 'role', label: t('access.role') }, { key: 'may', label: t('access.may') }], rows: access.data.roles.map((role) => ({ key: role.role, current: role.role === who.role, cells: [{ text: words.word(`role.${role.role}`, role.role) }, { text: role.permissions.map((name) => words.word(`permission.${name}`, name)).join(', ') }] })) }],
    })
  }
  if (!admin) return { title: t('nav.access'), heading: t('nav.access'), crumbs: [], buttons: [], blocks: [...blocks, forbidden(app, 'admin')] }
  const secret = app.resources.peek<string>('secret')
  if (secret) blocks.push({ kind: 'notice', key: 'secret', tone: 'good', title: t('access.secret'), text: secret, buttons: [copyButton(app, secret)] })
  blocks.push(tokenForm(app), tokenTable(app, tokens))
  return { title: t('nav.access'), heading: t('nav.access'), crumbs: [], buttons: [], blocks }
}

function tokenForm(app: App): Block {
  const { t, words } = app
  const draft = app.draft('token')
  const fields: Field[] = [
    { key: 'name', label: t('access.tokenName'), type: 'text', value: draft['name'] ?? '', required: true, placeholder: 'ci' },
    { key: 'role', label: t('access.role'), type: 'select', value: draft['role'] ?? 'viewer', options: ['viewer', 'operator', 'approver', 'admin'].map((value) => ({ value, label: words.word(`role.${value}`, value) })) },
    { key: 'days', label: t('access.days'), type: 'number', value: draft['days'] ?? '30' },
  ]
  const act = { do: 'call' as const, name: 'createToken' }
  return { kind: 'section', key: 'new-token', size: 'full', title: t('access.new'), hint: t('access.newHint'), buttons: [], blocks: [...refusal(draft), { kind: 'form', key: 'token', label: t('access.new'), fields, submit: act, buttons: [{ key: 'make', label: t('access.make'), tone: 'primary', act, disabled: !draft['name'] }] }] }
}

function tokenTable(app: App, tokens: TokenView[] | undefined): Block {
  const { t, words } = app
  return {
    kind: 'section', key: 'tokens', size: 'full', title: t('access.tokens'), hint: '', buttons: [],
    blocks: [{
      kind: 'table', key: 'tokens', caption: t('access.tokens'), empty: tokens ? t('access.noTokens') : t('loading'),
      columns: [{ key: 'name', label: t('access.name') }, { key: 'role', label: t('access.role') }, { key: 'by', label: t('runs.by') }, { key: 'expires', label: t('access.expires') }, { key: 'used', label: t('access.used') }, { key: 'do', label: t('access.do') }],
      rows: (tokens ?? []).map((token) => ({
        key: token.id, cells: [
          { text: token.name, hint: token.id }, { text: words.word(`role.${token.role}`, token.role) }, { text: token.created_by }, { text: token.revoked ? t('access.revoked') : words.dateTime(token.expires_wall * 1000) }, { text: token.last_used_wall ? words.dateTime(token.last_used_wall * 1000) : '—' },
          { text: '', buttons: token.revoked ? [] : (['rotate', 'revoke'] as const).map((verb) => ({ key: verb, label: t(`verb.${verb}`), tone: 'plain' as const, act: { do: 'verb' as const, verb: { verb, token: token.id, name: token.name } } })) },
        ],
      })),
    }],
  }
}
