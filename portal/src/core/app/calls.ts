/** What buttons and fields ask for by name, beyond places, filters and verbs. */
import { ApiError } from '../api/client'
import type { Settings } from '../api/types'
import type { Json } from '../model/merge'
import type { App } from './app'
import { DEFAULT_BINDINGS, type Command } from './keys'
import type { Preferences } from './preferences'
import { paletteItems } from './palette'
import { startLogin } from './session'
import { policyOf } from './verbs'

export type Calls = Readonly<Record<string, (args: readonly string[], value: string) => void>>

const PLAY_MS = 50
const PLAY_STEPS = 400

/** Run a request; what goes wrong is shown beside the form it came from. */
async function attempt(app: App, form: string, work: () => Promise<void>): Promise<void> {
  // Pressed twice is meant once: each press would be a key of its own to the server.
  if (app.draft(form)['busy'] === 'yes') return
  app.setDraft(form, { problem: '', wayOut: '', faults: '', busy: 'yes' })
  try {
    await work()
    if (app.drafts.has(form)) app.setDraft(form, { busy: '' })
  } catch (error) {
    const problem = error instanceof ApiError ? error.problem : null
    const faults = (problem?.errors ?? []).map((fault) => (fault.line ? app.t('edit.fault', { line: fault.line, column: fault.column ?? 1, text: fault.detail }) : fault.detail))
    app.setDraft(form, { problem: problem?.detail || (error as Error).message, wayOut: problem?.way_out ?? '', faults: faults.join('\n'), busy: '' })
  }
}

export function calls(app: App): Calls {
  return { ...overlayCalls(app), ...runCalls(app), ...environmentCalls(app), ...accessCalls(app), nothing: () => undefined, refresh: () => app.readAnew() }
}

function overlayCalls(app: App): Calls {
  return {
    close: () => app.show(null),
    confirm: () => app.confirm(),
    help: () => app.show({ kind: 'help' }),
    palette: () => {
      app.drafts.set('palette', {})
      app.show({ kind: 'palette' })
    },
    paletteKey: (_, key) => {
      const items = paletteItems(app)
      const at = Math.min(Number(app.draft('palette')['at'] ?? 0), items.length - 1)
      if (key === 'Enter' && items[at]) {
        app.show(null)
        app.dispatch(items[at].act)
      } else app.setDraft('palette', { at: String((at + (key === 'ArrowDown' ? 1 : items.length - 1)) % Math.max(1, items.length)) })
    },
    run: ([key = '']) => {
      const item = paletteItems(app).find((other) => other.key === key)
      app.show(null)
      if (item) app.dispatch(item.act)
    },
    theme: () => {
      const order = ['auto', 'light', 'dark'] as const
      app.prefer({ theme: order[(order.indexOf(app.preferences.theme) + 1) % 3]! })
    },
    copy: ([text = '']) => void app.world.copy(text).then(() => app.toast('good', app.t('copied')), () => app.toast('bad', app.t('notCopied'))),
    environment: (_, name) => {
      app.prefer({ environment: name })
      const [page, own, tab] = app.route.path
      const away = page === 'runs' && own !== undefined
      if (page === 'environments' && own) app.go(app.link(['environments', name, tab ?? 'form'], { env: name }))
      else if (away || page === 'compare') app.go(app.link(['runs'], { env: name }))
      else app.setQuery({ env: name })
    },
    framework: ([name = '']) => app.world.switchFramework(name),
  }
}

function runCalls(app: App): Calls {
  const scrubTo = (seq: number): void => {
    const records = app.run?.records
    const last = records?.[records.length - 1]?.seq ?? app.run?.model?.seq ?? 0
    app.setQuery({ at: seq >= last ? null : String(seq) })
  }
  const step = (by: number): void => {
    const run = app.run
    run?.loadRecords()
    const records = run?.records ?? []
    if (!records.length) return
    const at = Number(app.route.query['at']) || records[records.length - 1]!.seq
    const index = records.findIndex((record) => record.seq >= at)
    scrubTo(records[Math.min(records.length - 1, Math.max(0, (index < 0 ? records.length - 1 : index) + by))]!.seq)
  }
  const play = (): void => {
    const records = app.run?.records
    if (!app.playing || !records?.length) return
    step(Math.max(1, Math.ceil(records.length / PLAY_STEPS)))
    if (!app.route.query['at']) app.playing = false
    else app.world.after(PLAY_MS, play)
    app.touch()
  }
  return {
    inspect: ([run = '', region = '', task = '']) => {
      const here = app.route.path[0] === 'runs' && app.route.path[1] === run
      const set = { region: region || null, task: task || null }
      if (here) app.setQuery(app.route.query['task'] === task && task ? { region: null, task: null } : set)
      else app.go(app.link(['runs', run, 'matrix'], set))
    },
    scrub: (_, value) => {
      app.run?.loadRecords()
      scrubTo(Number(value))
    },
    stepBack: () => step(-1),
    stepOn: () => step(1),
    live: () => {
      app.playing = false
      app.setQuery({ at: null })
    },
    play: () => {
      app.run?.loadRecords()
      app.playing = !app.playing
      const first = app.run?.records?.[0]?.seq
      if (app.playing && !app.route.query['at'] && first) app.setQuery({ at: String(first) })
      app.world.after(PLAY_MS, play)
      app.touch()
    },
    pick: ([run = '']) => {
      const { a, b } = app.route.query
      if (a === run) app.setQuery({ a: b ?? null, b: null })
      else if (b === run) app.setQuery({ b: null })
      else app.setQuery(a ? { b: run } : { a: run })
    },
    export: () => void import('./export').then(({ exportRun }) => exportRun(app)),
    sample: () => {
      const name = app.environmentName
      void app.client.call('getMonitoring', { method: 'GET', path: `/environments/${name}/monitoring`, query: { fresh: true } }).then(
        (sample) => app.resources.put(`monitoring/${name}`, sample), (error: Error) => app.toast('bad', error.message))
    },
  }
}

function environmentCalls(app: App): Calls {
  const made = (form: string, name: string): void => {
    app.drafts.delete(form)
    app.resources.refresh('environment')
    app.prefer({ environment: name })
    app.go(app.link(['environments', name, 'form'], { env: name }))
  }
  const post = async (path: string, body: unknown): Promise<string> => {
    const { name } = await app.client.call('createEnvironment', { method: 'POST', path, body, headers: { 'Idempotency-Key': app.client.idempotencyKey() } })
    return name
  }
  return {
    createEnvironment: () => void attempt(app, 'new', async () => {
      const draft = app.draft('new')
      const document = draft['document'] ?? app.resources.peek<{ document: string }>('template')?.document ?? ''
      made('new', await post('/environments', { name: draft['name'] ?? '', document, target: { emulated: draft['emulated'] === 'yes' }, note: draft['note'] ?? '' }))
    }),
    cloneEnvironment: ([source = '']) => void attempt(app, `clone/${source}`, async () => {
      const draft = app.draft(`clone/${source}`)
      const body: Record<string, unknown> = { name: draft['name'] ?? '', note: draft['note'] ?? '' }
      if (draft['regions'] !== undefined) body['regions'] = draft['regions'].split(' ').filter(Boolean)
      if (draft['emulated'] !== undefined) body['target'] = { emulated: draft['emulated'] === 'yes' }
      made(`clone/${source}`, await post(`/environments/${source}/clone`, body))
    }),
    saveEdit: () => void app.editor.save(),
    mergeEdit: () => void app.editor.saveMerged(),
    discardEdit: () => app.editor.discard(),
    choose: ([path = '', whose = '']) => app.editor.choose(path, whose === 'theirs' ? 'theirs' : 'mine'),
    rehearse: ([name = '']) => {
      const form = `rehearse/${name}`
      void attempt(app, form, async () => {
        const draft = app.draft(form)
        const body = { ...policyOf(draft), runs: Number(draft['runs'] ?? '50') || 50, faults: draft['faults'] ?? 'none' }
        app.resources.put(form, await app.client.call('rehearseEnvironment', { method: 'POST', path: `/environments/${name}/rehearsals`, body }))
      })
    },
  }
}

function accessCalls(app: App): Calls {
  return {
    useToken: () => {
      const token = app.draft('signin')['token'] ?? ''
      app.drafts.delete('signin')
      void app.useToken(token)
    },
    login: () => void startLogin(app.client, app.world.session, app.world.address, '/').catch((error: Error) => {
      app.problem = error.message
      app.touch()
    }),
    leave: () => void app.leave(),
    createToken: () => void attempt(app, 'token', async () => {
      const draft = app.draft('token')
      const body = { name: draft['name'] ?? '', role: draft['role'] ?? 'viewer', days: Number(draft['days'] ?? '30') }
      const made = await app.client.call('createToken', { method: 'POST', path: '/tokens', body, headers: { 'Idempotency-Key': app.client.idempotencyKey() } })
      app.drafts.delete('token')
      app.resources.put('secret', made.secret)
      app.resources.refresh('tokens')
    }),
    exportAudit: ([form = 'csv']) => void app.client.text({ method: 'GET', path: '/audit/export', query: { form } }).then(
      (text) => app.world.save(`audit.${form}`, text, form === 'csv' ? 'text/csv' : 'application/jsonl'), (error: Error) => app.toast('bad', error.message)),
    saveSettings: () => void attempt(app, 'shared', async () => {
      const draft = app.draft('shared')
      const body: Record<string, unknown> = { reason: draft['reason'] ?? '' }
      if (draft['ui']) body['ui'] = draft['ui']
      if (draft['read_only'] !== undefined) body['read_only'] = draft['read_only'] === 'yes'
      const settings = await app.client.call('changeSettings', { method: 'PUT', path: '/settings', body })
      app.drafts.delete('shared')
      app.resources.put<Settings>('settings', settings)
      if (app.meta) app.meta = { ...app.meta, read_only: settings.read_only ?? false }
      app.toast('good', app.t('settings.saved'))
    }),
    resetKeys: () => app.prefer({ bindings: DEFAULT_BINDINGS }),
  }
}

/** Fields whose value is not a draft but takes effect at once. */
export function typed(app: App, form: string, field: string, value: string): boolean {
  if (form === 'preferences') {
    const change = field === 'localTimes' || field === 'letters' ? { [field]: value === 'yes' } : { [field]: value }
    app.prefer(change as Partial<Preferences>)
    return true
  }
  if (form === 'bindings') {
    app.prefer({ bindings: { ...app.preferences.bindings, [field as Command]: value.trim().toLowerCase() } })
    return true
  }
  if (form.startsWith('edit/') && field !== 'note') {
    if (field === 'document') app.editor.typed(value)
    else app.editor.field(field, valueOf(field, value))
    return true
  }
  return false
}

function valueOf(path: string, text: string): Json | undefined {
  if (text.trim() === '') return undefined
  if (path === 'deployment.waves') return text.split(',').map((part) => (/^\d+$/.test(part.trim()) ? Number(part) : part.trim())).filter((part) => part !== '')
  return /^-?\d+(\.\d+)?$/.test(text.trim()) && path !== 'network.besu_version' ? Number(text) : text
}
