/** Copies of an environment, and rehearsals of a deployment. */
import type { EnvironmentDetail, RehearsalResult } from '../api/types'
import type { App } from '../app/app'
import type { Block, Field } from '../view/blocks'
import { modeOptions, phaseLabel, refusal, regionFacts } from './parts'

const FAULTS = ['none', 'flaky', 'throttled', 'no-capacity', 'lost-region', 'slow-region', 'lost-worker', 'people', 'storm'] as const

export function clone(app: App, environment: EnvironmentDetail): Block[] {
  const { t } = app
  const key = `clone/${environment.name}`
  const draft = app.draft(key)
  const own = (environment.fleet?.regions ?? []).map(({ name }) => name)
  const all = [...new Set([...own, ...regionFacts(app).keys()])]
  const chosen = draft['regions'] ?? own.join(' ')
  const fields: Field[] = [
    { key: 'name', label: t('env.name'), type: 'text', value: draft['name'] ?? '', required: true, hint: t('env.nameHint') },
    { key: 'emulated', label: t('target.emulatedLong'), type: 'check', value: draft['emulated'] ?? (environment.target.emulated ? 'yes' : '') },
    { key: 'regions', label: t('clone.regions', { n: chosen.split(' ').filter(Boolean).length }), type: 'checks', value: chosen, wide: true, options: all.map((value) => ({ value, label: labelOf(app, value) })) },
    { key: 'note', label: t('note'), type: 'text', value: draft['note'] ?? '', wide: true },
  ]
  return [{
    kind: 'section', key: 'clone', size: 'full', title: t('clone.title', { name: environment.name }), hint: t('clone.hint'), buttons: [],
    blocks: [
      ...refusal(draft),
      { kind: 'form', key, label: t('envtab.clone'), fields, submit: { do: 'call', name: 'cloneEnvironment', args: [environment.name] }, buttons: [{ key: 'clone', label: t('verb.clone'), tone: 'primary', disabled: !draft['name'], act: { do: 'call', name: 'cloneEnvironment', args: [environment.name] } }] },
    ],
  }]
}

/** A region's name, with its cloud where that isn't Azure: each of the others has a Tokyo of its own. */
function labelOf(app: App, value: string): string {
  const region = regionFacts(app).get(value)
  return region ? (region.cloud === 'azure' ? region.display_name : `${region.display_name} (${region.cloud})`) : value
}

export function rehearsal(app: App, environment: EnvironmentDetail): Block[] {
  const { t } = app
  const key = `rehearse/${environment.name}`
  const draft = app.draft(key)
  const fields: Field[] = [
    { key: 'mode', label: t('mode'), type: 'select', value: draft['mode'] ?? '', options: modeOptions(app) },
    { key: 'waves', label: t('waves'), type: 'text', value: draft['waves'] ?? '', placeholder: '25%,75%' },
    { key: 'ceilings', label: t('ceilings'), type: 'text', value: draft['ceilings'] ?? '', placeholder: 'infrastructure=32' },
    { key: 'faults', label: t('rehearse.faults'), type: 'select', value: draft['faults'] ?? 'none', options: FAULTS.map((value) => ({ value, label: value })) },
    { key: 'runs', label: t('rehearse.worlds'), type: 'number', value: draft['runs'] ?? '50', hint: t('rehearse.worldsHint') },
  ]
  const busy = draft['busy'] === 'yes'
  const result = app.resources.peek<RehearsalResult>(key)
  const act = { do: 'call' as const, name: 'rehearse', args: [environment.name] }
  const blocks: Block[] = [{
    kind: 'section', key: 'rehearse', size: 'full', title: t('rehearse.title'), hint: t('rehearse.hint'), buttons: [],
    blocks: [
      ...refusal(draft),
      { kind: 'form', key, label: t('rehearse.title'), fields, submit: act, buttons: [{ key: 'go', label: busy ? t('sheet.busy') : t('rehearse.go'), tone: 'primary', icon: 'play', act, disabled: busy || !environment.allowed.includes('rehearse') }] },
    ],
  }]
  return result ? [...blocks, ...rehearsed(app, result)] : blocks
}

function rehearsed(app: App, result: RehearsalResult): Block[] {
  const { t, words } = app
  const whole = Math.max(result.p50_s, 1e-9)
  const bound = Object.entries(result.bound_by).sort((a, b) => b[1] - a[1])
  return [
    {
      kind: 'stats', key: 'rehearsed', items: [
        { key: 'p50', label: t('rehearse.p50'), value: words.duration(result.p50_s), hint: t('rehearse.p50Hint'), tone: 'busy' }, { key: 'p90', label: t('rehearse.p90'), value: words.duration(result.p90_s), hint: t('rehearse.p90Hint'), tone: 'neutral' },
        { key: 'bound', label: t('rehearse.bound'), value: words.duration(result.lower_bound_s), hint: t('rehearse.boundHint'), tone: 'neutral' }, { key: 'throttled', label: t('stat.throttled'), value: words.number(result.throttled), hint: t('stat.throttledHint'), tone: result.throttled ? 'warn' : 'neutral' },
      ],
    },
    {
      kind: 'section', key: 'bound', size: 'half', title: t('rehearse.binds'), hint: bound[0] ? t('rehearse.bindsHint', { what: bound[0][0], time: words.duration(bound[0][1]) }) : '', buttons: [],
      blocks: [{ kind: 'table', key: 'bound', caption: t('rehearse.binds'), empty: '', columns: [{ key: 'what', label: t('events.what') }, { key: 'time', label: t('duration'), align: 'end' }], rows: bound.map(([what, seconds]) => ({ key: what, cells: [{ text: what }, { text: words.duration(seconds), align: 'end' as const, share: seconds / whole }] })) }],
    },
    {
      kind: 'section', key: 'phases', size: 'half', title: t('rehearse.phases'), hint: '', buttons: [],
      blocks: [{ kind: 'table', key: 'phases', caption: t('rehearse.phases'), empty: '', columns: [{ key: 'phase', label: t('phase') }, { key: 'start', label: t('start'), align: 'end' }, { key: 'end', label: t('end'), align: 'end' }], rows: result.phases.map((span) => ({ key: span.phase, cells: [{ text: phaseLabel(app, span.phase) }, { text: words.duration(span.start), align: 'end' as const }, { text: words.duration(span.end), align: 'end' as const, share: (span.end - span.start) / whole }] })) }],
    },
  ]
}
