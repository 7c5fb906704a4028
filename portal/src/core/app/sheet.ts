/** The confirm sheet: what will be touched, why, and the same as a command line and as curl. */
import { ApiError, localProblem } from '../api/client'
import type { Block, Button, DialogModel, Field } from '../view/blocks'
import { copyButton, modeOptions } from '../pages/parts'
import type { App } from './app'
import { commandOf, curlOf, keyed, ofToken, requestOf, type Place, type Verb } from './verbs'

export interface Sheet {
  readonly verb: Verb
  readonly key: string
  readonly busy: boolean
  readonly problem: ApiError | null
}

const FORM = 'sheet'

export function beginSheet(app: App, verb: Verb): void {
  app.drafts.set(FORM, {})
  // One key per sheet: pressing twice, or again after a lost answer, starts one thing.
  app.show({ kind: 'sheet', sheet: { verb, key: app.client.idempotencyKey(), busy: false, problem: null } })
}

export async function confirmSheet(app: App, sheet: Sheet): Promise<void> {
  if (sheet.busy || !ready(app, sheet.verb)) return
  app.show({ kind: 'sheet', sheet: { ...sheet, busy: true, problem: null } })
  const request = requestOf(sheet.verb, app.draft(FORM))
  try {
    const headers = keyed(sheet.verb) ? { 'Idempotency-Key': sheet.key } : {}
    const answer = await app.client.call('actOnRun', { ...request, headers })
    app.show(null)
    done(app, sheet.verb, answer)
  } catch (error) {
    const problem = error instanceof ApiError ? error : new ApiError(localProblem(String(error)))
    app.show({ kind: 'sheet', sheet: { ...sheet, busy: false, problem } })
  }
}

function done(app: App, verb: Verb, answer: unknown): void {
  app.toast('good', app.t('sheet.done', { what: titleOf(app, verb) }))
  if (verb.verb === 'start') {
    const { run } = answer as { run: string }
    app.resources.refresh('runs')
    app.resources.refresh('environment')
    app.go(app.link(['runs', run, 'matrix'], { env: verb.environment }))
  } else if (verb.verb === 'act') {
    void app.refreshDetail()
  } else if (verb.verb === 'rotate') {
    app.resources.refresh('tokens')
    app.resources.put('secret', (answer as { secret: string }).secret)
  } else if (verb.verb === 'revoke') {
    app.resources.refresh('tokens')
  } else {
    app.resources.refresh('environment')
  }
}

/** Destroying wants the fleet's name typed; locking and refusing want a reason. */
function ready(app: App, verb: Verb): boolean {
  const draft = app.draft(FORM)
  if (verb.verb === 'start' && verb.kind === 'destroy') return draft['confirm'] === fleetOf(app, verb.environment)
  if (verb.verb === 'lock' || (verb.verb === 'act' && verb.action === 'refuse')) return Boolean(draft['reason']?.trim())
  return true
}

function fleetOf(app: App, environment: string): string {
  const found = app.environments().data?.find(({ name }) => name === environment)
  return found?.fleet?.name ?? environment
}

export function titleOf(app: App, verb: Verb): string {
  if (verb.verb === 'act') return app.t(`action.${verb.action}`)
  if (verb.verb === 'start') return app.t(`start.${verb.kind}`)
  return app.t(`verb.${verb.verb}`)
}

export function sheetDialog(app: App, sheet: Sheet): DialogModel {
  const { t } = app
  const { verb } = sheet
  const title = titleOf(app, verb)
  const dangerous = (verb.verb === 'start' && verb.kind === 'destroy') || verb.verb === 'revoke' || (verb.verb === 'act' && (verb.action === 'cancel' || verb.action === 'refuse'))
  const buttons: Button[] = [
    { key: 'close', label: t('sheet.back'), act: { do: 'call', name: 'close' }, tone: 'plain' },
    {
      key: 'confirm', label: sheet.busy ? t('sheet.busy') : title, act: { do: 'call', name: 'confirm' },
      tone: dangerous ? 'danger' : 'primary', disabled: sheet.busy || !ready(app, verb),
    },
  ]
  return { key: 'sheet', title, size: 'small', blocks: sheetBlocks(app, sheet), buttons }
}

function sheetBlocks(app: App, sheet: Sheet): Block[] {
  const { t } = app
  const { verb } = sheet
  const draft = app.draft(FORM)
  const blocks: Block[] = [{ kind: 'facts', key: 'targets', items: targets(app, verb) }]
  if (sheet.problem) {
    const { detail, title, way_out } = sheet.problem.problem
    blocks.push({ kind: 'notice', key: 'problem', tone: 'bad', title: detail || title, text: way_out ?? '', buttons: [] })
  }
  const fields = fieldsOf(app, verb)
  if (fields.length) blocks.push({ kind: 'form', key: FORM, label: titleOf(app, verb), fields, buttons: [], submit: { do: 'call', name: 'confirm' } })
  const request = requestOf(verb, draft)
  const command = commandOf(verb, draft, placeOf(app, verb))
  if (command) blocks.push({ kind: 'code', key: 'cli', label: t('sheet.command'), text: command, copy: copyButton(app, command) })
  const curl = curlOf(request, app.world.origin, keyed(verb) ? sheet.key : '')
  blocks.push({ kind: 'code', key: 'curl', label: t('sheet.curl'), text: curl, copy: copyButton(app, curl) })
  return blocks
}

function targets(app: App, verb: Verb): { label: string; value: string; mono?: boolean }[] {
  const { t } = app
  if (ofToken(verb)) return [{ label: t('access.token'), value: verb.name }]
  const facts: { label: string; value: string; mono?: boolean }[] = [{ label: t('environment'), value: verb.environment }]
  if (verb.verb === 'start') {
    const fleet = app.environments().data?.find(({ name }) => name === verb.environment)?.fleet
    if (fleet) facts.push({ label: t('regions'), value: t('sheet.regions', { regions: fleet.regions.length, validators: fleet.validators }) })
  }
  if (verb.verb !== 'act') return facts
  facts.push({ label: t('run'), value: verb.run, mono: true })
  if (verb.gate) facts.push({ label: t('gate'), value: verb.gate, mono: true })
  if (verb.action === 'retry' || verb.action === 'skip') {
    const shown = verb.tasks.slice(0, 8).join(', ')
    const failed = app.run?.model?.counts.failed ?? 0
    const text = verb.tasks.length ? `${verb.tasks.length}: ${shown}${verb.tasks.length > 8 ? ' …' : ''}` : t('sheet.allFailed', { n: failed })
    facts.push({ label: t('sheet.touches'), value: text, mono: true })
  }
  const halts = { cancel: 'sheet.stops', drain: 'sheet.drains', pause: 'sheet.finishes' } as const
  if (verb.action === 'cancel' || verb.action === 'drain' || verb.action === 'pause') {
    facts.push({ label: t('sheet.touches'), value: t(halts[verb.action], { n: app.run?.model?.counts.running ?? 0 }) })
  }
  return facts
}

function fieldsOf(app: App, verb: Verb): Field[] {
  const { t } = app
  const draft = app.draft(FORM)
  const text = (key: string, label: string, more: Partial<Field> = {}): Field => ({ key, label, type: 'text', value: draft[key] ?? '', ...more })
  const reason = text('reason', t('reason'), { wide: true, hint: t('reason.hint') })
  if (verb.verb === 'act') return verb.action === 'resume' || verb.action === 'retry' ? [reason] : [{ ...reason, required: verb.action === 'refuse' }]
  if (verb.verb === 'lock') return [{ ...reason, required: true }]
  if (verb.verb !== 'start') return []
  if (verb.kind === 'destroy') {
    const name = fleetOf(app, verb.environment)
    return [text('confirm', t('sheet.typeName', { name }), { required: true, wide: true, mono: true }), reason]
  }
  if (verb.kind === 'verify') return [reason]
  return [
    text('mode', t('mode'), { type: 'select', options: modeOptions(app) }),
    text('waves', t('waves'), { placeholder: '25%,75%', hint: t('waves.hint') }),
    text('only', t('only'), { placeholder: 'besu northeurope' }),
    text('skip', t('skip.label'), { placeholder: 'monitoring' }),
    text('ceilings', t('ceilings'), { placeholder: 'infrastructure=32', hint: t('ceilings.hint') }),
    text('approval', t('approval'), { type: 'check' }),
    reason,
  ]
}

/** Where the command line finds the environment: as the API says it, or its usual place until that is known. */
export function placeOf(app: App, verb: Verb): Place {
  const environment = 'environment' in verb ? verb.environment : ''
  const detail = environment ? app.detail(environment).data : undefined
  const file = /chainfleet deploy (\S+)/.exec(detail?.command ?? '')?.[1] ?? `${environment}.yaml`
  return { file, state: detail?.state_folder ?? `.chainfleet/${environment}` }
}
