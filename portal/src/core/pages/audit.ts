/** Who did what, and who was denied; whether the chain of entries is whole. */
import type { AuditCheck, AuditEntry } from '../api/types'
import type { App } from '../app/app'
import type { Block, Button, PageModel } from '../view/blocks'
import { forbidden, loading } from './parts'

export function auditPage(app: App): PageModel {
  const { t, words } = app
  app.environment()
  const page = { title: t('nav.audit'), heading: t('nav.audit'), crumbs: [] }
  if (!app.who?.permissions.includes('audit')) return { ...page, buttons: [], blocks: [forbidden(app, 'approver')] }
  const { query } = app.route
  const filter = { actor: query['actor'] ?? '', result: query['result'] ?? '' }
  const list = app.use<AuditEntry[]>(`audit/${JSON.stringify(filter)}`, () => app.client.all<AuditEntry>({ method: 'GET', path: '/audit', query: { ...filter, limit: 200 } }, 1000))
  const check = app.use<AuditCheck>('audit-check', () => app.client.call('checkAudit', { method: 'GET', path: '/audit/check' }))
  const blocks: Block[] = []
  if (check.problem) blocks.push(loading(app, check.problem.message))
  else if (check.data) blocks.push({ kind: 'notice', key: 'chain', tone: check.data.ok ? 'good' : 'bad', title: t(check.data.ok ? 'audit.whole' : 'audit.broken', { n: check.data.ok ? check.data.entries : (check.data.broken_at ?? 0) }), text: t('audit.head', { hash: check.data.head }), buttons: [] })
  blocks.push({
    kind: 'bar', key: 'audit-bar', label: t('filters'), buttons: [], search: { key: 'actor', label: t('audit.actor'), type: 'search', value: filter.actor, act: { do: 'query', set: { actor: '*' } } },
    choices: [{ key: 'result', label: t('audit.result'), value: filter.result, options: ['', 'done', 'denied', 'failed'].map((value) => ({ value, label: value ? t(`audit.${value}` as 'audit.done') : t('only.all') })), act: { do: 'query', set: { result: '*' } } }],
  })
  blocks.push(list.data ? {
    kind: 'section', key: 'audit', size: 'full', title: t('audit.count', { n: list.data.length }), hint: t('audit.hint'), buttons: [],
    blocks: [{
      kind: 'table', key: 'audit', caption: t('nav.audit'), empty: t('audit.none'),
      columns: [{ key: 'n', label: '#', align: 'end' }, { key: 'when', label: t('when') }, { key: 'actor', label: t('audit.actor') }, { key: 'action', label: t('audit.action') }, { key: 'environment', label: t('environment') }, { key: 'subject', label: t('audit.subject') }, { key: 'result', label: t('audit.result') }, { key: 'reason', label: t('reason') }, { key: 'hash', label: t('audit.hash') }],
      rows: list.data.map((entry) => ({
        key: String(entry.number), cells: [
          { text: String(entry.number), align: 'end' as const }, { text: words.dateTime(entry.wall * 1000), hint: words.time(entry.wall * 1000) }, { text: entry.actor, hint: `${entry.role} · ${entry.address}` }, { text: entry.action }, { text: entry.environment }, { text: entry.subject, mono: true },
          { text: '', badge: { text: t(`audit.${entry.result}`), tone: entry.result === 'done' ? 'good' as const : entry.result === 'denied' ? 'bad' as const : 'warn' as const } }, { text: entry.reason }, { text: entry.hash.slice(0, 10), mono: true, hint: entry.hash },
        ],
      })),
    }],
  } : loading(app, list.problem?.message))
  const exporting = (form: string): Button => ({ key: form, label: t('audit.export', { form: form.toUpperCase() }), icon: 'export', act: { do: 'call', name: 'exportAudit', args: [form] } })
  return { ...page, buttons: [exporting('csv'), exporting('jsonl')], blocks }
}
