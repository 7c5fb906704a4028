/** The revisions of an environment and how two of them differ. */
import type { EnvironmentDetail, RevisionDiff, RevisionSummary } from '../api/types'
import type { App } from '../app/app'
import { shown, type Json } from '../model/merge'
import type { Block } from '../view/blocks'
import { loading } from './parts'

export function revisions(app: App, environment: EnvironmentDetail): Block[] {
  const { t, words } = app
  const name = environment.name
  const list = app.use(`revisions/${name}`, () => app.client.all<RevisionSummary>({ method: 'GET', path: `/environments/${name}/revisions`, query: { limit: 100 } }, 1000))
  if (!list.data) return [loading(app, list.problem?.message)]
  if (!list.data.length) return [{ kind: 'empty', key: 'empty', title: t('revisions.none'), text: '', code: '', buttons: [] }]
  const newest = environment.revision
  const to = Number(app.route.query['to']) || newest
  const from = Number(app.route.query['from']) || Math.max(1, to - 1)
  const blocks: Block[] = [{
    kind: 'section', key: 'revisions', size: 'side', title: t('revisions.count', { n: list.data.length }), hint: '', buttons: [],
    blocks: [{
      kind: 'table', key: 'revisions', caption: t('envtab.revisions'), empty: t('revisions.none'), columns: [{ key: 'n', label: t('revision'), align: 'end' }, { key: 'by', label: t('runs.by') }, { key: 'when', label: t('when') }, { key: 'note', label: t('note') }],
      rows: list.data.map((revision) => ({
        key: String(revision.number), current: revision.number === to, cells: [
          { text: String(revision.number), align: 'end' as const, href: app.link(['environments', name, 'revisions'], { from: String(Math.max(1, revision.number - 1)), to: String(revision.number) }) },
          { text: revision.by }, { text: words.dateTime(revision.wall * 1000) }, { text: revision.note ?? '' },
        ],
      })),
    }],
  }]
  if (from === to) return [{ kind: 'section', key: 'diff', size: 'main', title: t('diff.title', { a: from, b: to }), hint: '', buttons: [], blocks: [{ kind: 'empty', key: 'empty', title: t('diff.first'), text: '', code: '', buttons: [] }] }, ...blocks]
  const diff = app.use(`revisions-diff/${name}/${from}/${to}`, () => app.client.call('diffRevisions', { method: 'GET', path: `/environments/${name}/revisions/${from}/diff`, query: { to } }))
  return [
    { kind: 'section', key: 'diff', size: 'main', title: t('diff.title', { a: from, b: to }), hint: t('diff.hint'), buttons: [], blocks: diff.data ? diffBlocks(app, diff.data) : [loading(app, diff.problem?.message)] },
    ...blocks,
  ]
}

function diffBlocks(app: App, diff: RevisionDiff): Block[] {
  const { t } = app
  const lines = diff.text.split('\n').filter((line) => !/^(---|\+\+\+) /.test(line) && line !== '').map((line) => {
    const mark = line[0] === '+' ? '+' as const : line[0] === '-' ? '-' as const : line[0] === '@' ? '@' as const : ' ' as const
    return { mark, text: mark === '@' ? line : line.slice(1) }
  })
  return [
    { kind: 'diff', key: 'diff', label: t('diff.title', { a: diff.a, b: diff.b }), lines },
    { kind: 'table', key: 'changes', caption: t('diff.changes'), empty: t('diff.equal'), columns: [{ key: 'path', label: t('field') }, { key: 'before', label: t('diff.before') }, { key: 'after', label: t('diff.after') }], rows: diff.changes.map((change) => ({ key: change.path, cells: [{ text: change.path, mono: true }, { text: shown(change.before as Json) }, { text: shown(change.after as Json) }] })) },
  ]
}
