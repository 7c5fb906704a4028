/** Editing a fleet: as a form or as text, what it comes to, and the merge when somebody was faster. */
import type { EnvironmentDetail } from '../api/types'
import type { App } from '../app/app'
import { get, shown, type Json } from '../model/merge'
import type { Block, Button, Field, TableRow } from '../view/blocks'
import { copyButton } from './parts'

interface FormField {
  readonly path: string
  readonly type: Field['type']
  readonly options?: readonly string[]
}

// What people change most; everything else is in the text.
const FORM: readonly FormField[] = [
  { path: 'deployment.mode', type: 'select', options: ['', 'ultra', 'max', 'standard', 'sequential'] },
  { path: 'deployment.waves', type: 'text' },
  { path: 'deployment.failed_regions_allowed', type: 'number' },
  { path: 'network.validators_per_region', type: 'number' },
  { path: 'network.block_period_seconds', type: 'number' },
  { path: 'network.request_timeout_seconds', type: 'number' },
  { path: 'network.besu_version', type: 'text' },
  { path: 'region_set', type: 'select', options: ['', 'azure-non-us-24', 'azure-non-us-31'] },
  { path: 'contracts.oracle.heartbeat_seconds', type: 'number' },
  { path: 'contracts.oracle.deviation_bps', type: 'number' },
]

export function editor(app: App, environment: EnvironmentDetail, tab: 'form' | 'yaml'): Block[] {
  const { t } = app
  const edit = app.editor.of(environment)
  const may = environment.allowed.includes('change')
  const note: Field = { key: 'note', label: t('note'), type: 'text', value: app.draft(`edit/${environment.name}`)['note'] ?? '', wide: true, placeholder: t('edit.notePlaceholder') }
  const faultOf = (path: string): string | undefined => edit.faults.find(({ pointer }) => (pointer ?? '').replace(/^\/(form\/)?/, '').replaceAll('/', '.') === path)?.detail
  const where = edit.faults.map((fault) => (fault.line ? t('edit.fault', { line: fault.line, column: fault.column ?? 1, text: fault.detail }) : fault.detail)).join('\n')
  const fields: Field[] = tab === 'yaml'
    ? [{ key: 'document', label: t('env.yaml'), type: 'area', value: edit.document, rows: 26, mono: true, wide: true, ...(where ? { error: where } : {}) }]
    : FORM.filter(({ path }) => path !== 'region_set' || get(edit.form, path) !== undefined).map(({ path, type, options }) => {
        const value = get(edit.form, path)
        const error = faultOf(path)
        return {
          key: path, label: app.words.word(`field.${path}`, path), type, value: value === undefined || value === null ? '' : Array.isArray(value) ? value.join(', ') : String(value), hint: path,
          ...(options ? { options: options.map((option) => ({ value: option, label: option || t('sheet.asDeclared') })) } : {}), ...(error ? { error } : {}),
        }
      })
  const buttons: Button[] = [
    { key: 'save', label: edit.saving ? t('sheet.busy') : t('edit.save'), tone: 'primary', act: { do: 'call', name: 'saveEdit' }, disabled: !may || !app.editor.dirty || edit.saving || edit.conflict !== null },
    { key: 'discard', label: t('edit.discard'), tone: 'plain', act: { do: 'call', name: 'discardEdit' }, disabled: !app.editor.dirty },
  ]
  const blocks: Block[] = []
  if (edit.conflict) blocks.push(conflictBlock(app))
  if (edit.problem) blocks.push({ kind: 'notice', key: 'problem', tone: 'bad', title: edit.problem, text: tab === 'form' ? where : '', buttons: [] })
  if (!edit.problem && tab === 'form' && edit.faults.length) blocks.push({ kind: 'notice', key: 'faults', tone: 'bad', title: t('edit.faulty'), text: where, buttons: [] })
  blocks.push({ kind: 'form', key: `edit/${environment.name}`, label: t('edit.title'), fields: [...fields, note], buttons, submit: { do: 'call', name: 'saveEdit' } })
  const facts = edit.check?.fleet ?? environment.fleet
  return [
    { kind: 'section', key: 'editor', size: 'main', title: t(`envtab.${tab}`), hint: t(tab === 'form' ? 'edit.formHint' : 'edit.yamlHint'), buttons: [], blocks },
    { kind: 'section', key: 'facts', size: 'side', title: t('edit.comesTo'), hint: t('edit.revision', { n: edit.base.revision }), buttons: [], blocks: factBlocks(app, environment, facts ?? null) },
  ]
}

function factBlocks(app: App, environment: EnvironmentDetail, fleet: EnvironmentDetail['fleet'] | null): Block[] {
  const { t } = app
  const items = fleet
    ? [
        { label: t('fleet'), value: fleet.name }, { label: t('chainId'), value: String(fleet.chain_id), mono: true }, { label: t('regions'), value: String(fleet.regions.length) },
        { label: t('validators'), value: t('edit.quorum', { n: fleet.validators, quorum: fleet.quorum }) }, { label: t('mode'), value: fleet.mode }, { label: t('clouds'), value: fleet.clouds.join(', ') }, { label: t('edit.fingerprint'), value: fleet.fingerprint, mono: true },
      ]
    : []
  return [
    { kind: 'facts', key: 'fleet', items: [...items, { label: t('target'), value: environment.target.emulated ? t('target.emulated') : t('target.real') }] },
    { kind: 'code', key: 'command', label: t('sheet.command'), text: environment.command, copy: copyButton(app, environment.command) },
  ]
}

function conflictBlock(app: App): Block {
  const { t } = app
  const { conflict, choices } = app.editor.now!
  const clashes = conflict!.fields.filter(({ clash }) => clash)
  const rows: TableRow[] = conflict!.fields.map((field) => {
    const chosen = choices[field.path] ?? 'mine'
    const own = JSON.stringify(field.mine) !== JSON.stringify(field.base)
    const pick = (whose: 'mine' | 'theirs'): Button => ({ key: whose, label: t(`conflict.${whose}`), pressed: chosen === whose, act: { do: 'call', name: 'choose', args: [field.path, whose] } })
    return {
      key: field.path, cells: [
        { text: field.path, mono: true }, { text: shown(field.base as Json) }, { text: shown(field.mine as Json) }, { text: shown(field.theirs as Json) },
        field.clash ? { text: '', buttons: [pick('mine'), pick('theirs')] } : { text: t(own ? 'conflict.onlyMine' : 'conflict.onlyTheirs') },
      ],
    }
  })
  return {
    kind: 'section', key: 'conflict', size: 'full', title: t('conflict.title', { n: conflict!.theirs.revision }), hint: t('conflict.hint', { n: clashes.length }),
    buttons: [
      { key: 'merge', label: t('conflict.merge'), tone: 'primary', act: { do: 'call', name: 'mergeEdit' } },
      { key: 'theirs', label: t('conflict.take'), tone: 'plain', act: { do: 'call', name: 'discardEdit' } },
    ],
    blocks: [{ kind: 'table', key: 'conflict', caption: t('conflict.table'), empty: t('conflict.equal'), columns: [{ key: 'path', label: t('field') }, { key: 'base', label: t('conflict.base') }, { key: 'mine', label: t('conflict.mine') }, { key: 'theirs', label: t('conflict.theirs') }, { key: 'choice', label: t('conflict.result') }], rows }],
  }
}
