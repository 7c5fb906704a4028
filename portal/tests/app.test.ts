import { describe, expect, it, vi } from 'vitest'
import { chordOf, DEFAULT_BINDINGS, Keys, type KeyPress } from '../src/core/app/keys'
import { loadPreferences, savePreferences } from '../src/core/app/preferences'
import { codeOf, href, parseRoute } from '../src/core/app/router'
import { withToken } from '../src/core/app/session'
import { commandOf, curlOf, requestOf, type Verb } from '../src/core/app/verbs'
import { exportPage } from '../src/core/app/export'
import { Client } from '../src/core/api/client'
import { format, LANGUAGES, loadWords, makeWords, pseudo } from '../src/core/i18n'
import { de } from '../src/core/i18n/de'
import { en, type Key } from '../src/core/i18n/en'
import { fr } from '../src/core/i18n/fr'
import { ja } from '../src/core/i18n/ja'
import type { EnvironmentSummary, RunExport } from '../src/core/api/types'
import type { App } from '../src/core/app/app'
import { OpenRun } from '../src/core/app/runs'
import { monitoringPage } from '../src/core/pages/monitoring'
import { startButtons } from '../src/core/pages/now'
import { alertItems, lead, wholeOf } from '../src/core/pages/parts'
import { replay } from '../src/core/model/run'
import { events, plan, RUN } from './recorded'

const press = (key: string, more: Partial<KeyPress> = {}): KeyPress => ({ key, ctrlKey: false, metaKey: false, altKey: false, typing: false, pressing: false, ...more })

describe('addresses', () => {
  it('survive the way there and back, whatever is in them', () => {
    const hash = href(['runs', 'a/b ü', 'gantt'], { env: 'dev', q: 'x&y=z', none: null })
    expect(parseRoute(hash)).toEqual({ path: ['runs', 'a/b ü', 'gantt'], query: { env: 'dev', q: 'x&y=z' } })
    expect(parseRoute('')).toEqual({ path: ['now'], query: {} })
    expect(parseRoute('#/a%zz').path).toEqual(['a%zz'])
  })

  it('carry the one-time code only at their very beginning', () => {
    expect([codeOf('#t=abc%2B'), codeOf('#/now?t=abc'), codeOf('')]).toEqual(['abc+', null, null])
  })
})

describe('keys', () => {
  it('come in twos, in time', () => {
    const keys = new Keys(DEFAULT_BINDINGS, true)
    expect([keys.press(press('g'), 0), keys.press(press('r'), 500)]).toEqual([null, 'runs'])
    expect([keys.press(press('g'), 1000), keys.press(press('n'), 3000)]).toEqual([null, null])
  })

  it('are text in a field, save for what has a modifier and for Escape', () => {
    const keys = new Keys(DEFAULT_BINDINGS, true)
    const typing = { typing: true }
    expect(['?', 't', '/'].map((key) => keys.press(press(key, typing), 0))).toEqual([null, null, null])
    expect([keys.press(press('k', { ...typing, ctrlKey: true }), 0), keys.press(press('Escape', typing), 0)]).toEqual(['palette', 'close'])
  })

  it('can be changed, and single letters switched off', () => {
    const keys = new Keys({ ...DEFAULT_BINDINGS, retry: 'r' }, true)
    expect(keys.press(press('r'), 0)).toBe('retry')
    keys.bind(DEFAULT_BINDINGS, false)
    expect([keys.press(press('t'), 0), keys.press(press('k', { metaKey: true }), 0)]).toEqual([null, 'palette'])
    expect(keys.press(press(' ', { pressing: true }), 0)).toBeNull()
  })

  it('are all different', () => expect(new Set(Object.values(DEFAULT_BINDINGS)).size).toBe(Object.values(DEFAULT_BINDINGS).length))
  it('have one name with Ctrl and with Cmd', () => expect(chordOf({ key: 'K', ctrlKey: false, metaKey: true })).toBe('mod+k'))
})

describe('preferences', () => {
  it('outlive damage and keep new keys of a newer version', () => {
    const values = new Map<string, string>()
    const shelf = { getItem: (key: string) => values.get(key) ?? null, setItem: (key: string, value: string) => void values.set(key, value), removeItem: (key: string) => void values.delete(key) }
    savePreferences(shelf, { ...loadPreferences(shelf, 'fr-CA'), theme: 'dark' })
    expect(loadPreferences(shelf, 'ja')).toMatchObject({ theme: 'dark', language: 'fr' })
    values.set('chainfleet', '{"bindings":{"retry":"x"}}')
    expect(loadPreferences(shelf, 'zz')).toMatchObject({ language: 'en', bindings: { retry: 'x', help: '?' } })
    values.set('chainfleet', '{broken')
    expect(loadPreferences(shelf, 'de-AT').language).toBe('de')
  })
})

describe('verbs', () => {
  const place = { file: '/srv/dev/fleet.yaml', state: '/srv/dev' }
  const retry: Verb = { verb: 'act', environment: 'dev', run: 'r1', action: 'retry', tasks: ['uksouth'], gate: '' }
  const approve: Verb = { ...retry, action: 'approve', tasks: [], gate: 'besu/gate/wave-1' }
  const deploy: Verb = { verb: 'start', environment: 'dev', kind: 'deploy' }

  it('have the request and the command that do the same', () => {
    expect(requestOf(retry, { reason: 'quota raised' })).toEqual({ method: 'POST', path: '/environments/dev/runs/r1/actions/retry', body: { reason: 'quota raised', tasks: ['uksouth'] } })
    expect(commandOf(retry, {}, place)).toBe('chainfleet retry /srv/dev/fleet.yaml uksouth --state /srv/dev')
    expect(commandOf(approve, { reason: "it's fine" }, place)).toBe(`chainfleet approve /srv/dev/fleet.yaml besu/gate/wave-1 --state /srv/dev --reason 'it'\\''s fine'`)
    expect(requestOf(deploy, { mode: 'max', waves: '8,16', only: 'besu uksouth', ceilings: 'besu=4 junk', approval: 'yes' }).body).toEqual({
      kind: 'deploy', mode: 'max', waves: '8,16', only: ['besu', 'uksouth'], ceilings: { besu: 4 }, approval: true, reason: '',
    })
    expect(commandOf(deploy, { mode: 'max', waves: '8,16' }, place)).toBe('chainfleet deploy /srv/dev/fleet.yaml --state /srv/dev --mode max --waves 8,16 --yes')
    expect(commandOf(deploy, { approval: 'yes' }, place)).toBe('chainfleet deploy /srv/dev/fleet.yaml --state /srv/dev --approval --yes')
    expect(commandOf({ verb: 'start', environment: 'dev', kind: 'destroy' }, { confirm: 'dev' }, place)).toContain('destroy /srv/dev/fleet.yaml --state /srv/dev --confirm dev')
  })

  it('show curl without the token, safe to paste', () => {
    const curl = curlOf(requestOf(retry, { reason: "a'b" }), 'http://127.0.0.1:8716', 'k1')
    expect(curl).toContain('Bearer $TOKEN')
    expect(curl).toContain("-H 'Idempotency-Key: k1'")
    expect(curl).toContain(`'{"reason":"a'\\''b","tasks":["uksouth"]}'`)
  })
})

describe('the client', () => {
  it('follows cursors, and ends the session once on 401', async () => {
    const asked: string[] = []
    let out = 0
    const client = new Client('', ((url: string) => {
      asked.push(url)
      if (url.includes('secret')) return Promise.resolve(new Response('{"type":"/problems/unauthorised","detail":"over"}', { status: 401 }))
      return Promise.resolve(new Response(JSON.stringify(url.includes('cursor=c') ? { items: [2], next: null } : { items: [1], next: 'c' })))
    }) as typeof fetch, () => 'k')
    client.token = 't'
    client.onSignedOut = () => out++
    expect(await client.all({ method: 'GET', path: '/runs', query: { limit: 1 } })).toEqual([1, 2])
    expect(asked).toEqual(['/api/v1/runs?limit=1', '/api/v1/runs?limit=1&cursor=c'])
    for (let i = 0; i < 2; i++) await expect(client.text({ method: 'GET', path: '/secret' })).rejects.toThrow('over')
    expect([out, client.token]).toEqual([1, ''])
  })

  it.each([[401, null], [503, 't'], [429, 't']])('keeps its token where the server answers %i: %s', async (status, kept) => {
    const shelf = new Map([['chainfleet-token', 't']])
    const client = new Client('', (() => Promise.resolve(new Response('{"detail":"no"}', { status }))) as typeof fetch, () => 'k')
    const store = { getItem: (key: string) => shelf.get(key) ?? null, setItem: (key: string, value: string) => void shelf.set(key, value), removeItem: (key: string) => void shelf.delete(key) }
    expect(await withToken(client, store, 't')).toEqual({ who: null, problem: 'no' })
    expect(store.getItem('chainfleet-token')).toBe(kept)
  })
})

describe('words', () => {
  const places = (message: string): string[] => [...message.matchAll(/\{(\w+)/g)].map((match) => match[1]!).sort()

  it.each([['de', de], ['fr', fr], ['ja', ja]])('%s has every message, translated, with the same values', (_, messages) => {
    expect(Object.keys(messages).sort()).toEqual(Object.keys(en).sort())
    for (const key of Object.keys(en) as Key[]) {
      expect(messages[key].trim(), key).not.toBe('')
      expect([...new Set(places(messages[key]))], key).toEqual([...new Set(places(en[key]))])
    }
    const same = (Object.keys(en) as Key[]).filter((key) => en[key].replace(/\{[^}]*\}/g, '').length > 14 && messages[key] === en[key])
    expect(same).toEqual([])
  })

  it('choose by number in each language', () => {
    expect(format('{n|# region|# regions}', { n: 1 }, 'en')).toBe('1 region')
    expect(format('{n|# region|# regions} of {all}', { n: 1204, all: 2000 }, 'en')).toBe('1,204 regions of 2,000')
    expect(format('{n|# Region|# Regionen}', { n: 0 }, 'de')).toBe('0 Regionen')
    expect(format('{n|# région|# régions}', { n: 0 }, 'fr')).toBe('0 région')
  })

  it('can be made strange without losing their values', () => {
    expect(pseudo('{n|# region|# regions} done')).toMatch(/^\[\{n\|# régíón\|# régíóns\} dóné~+\]$/)
  })

  it('say durations as people do, in every language', async () => {
    const words = makeWords('en', en)
    expect([0, 4.25, 41, 60, 124, 3600, 3900].map((seconds) => words.duration(seconds))).toEqual(['0.0 s', '4.3 s', '41 s', '1 min', '2 min 4 s', '1 h', '1 h 5 min'])
    for (const language of LANGUAGES) expect((await loadWords(language)).duration(124)).toMatch(/2.+4/)
  })
})

describe('an exported file', () => {
  it('cannot be broken out of by what a run says, and allows only its own script', async () => {
    const evil = { run: { reason: '</script><script>alert(1)</script>\u2028' } } as unknown as RunExport
    const page = await exportPage('<b>r1</b>', evil, [], 'let a = "</script>"', 'body{}')
    expect(page.match(/<\/script>/g)).toHaveLength(2)
    expect(page).not.toContain('alert(1)</script>')
    expect(page).toMatch(/script-src 'sha256-[^']+'; style-src 'sha256-/)
    expect(page).toContain('<title>br1/b</title>')
  })
})

describe('opening a run', () => {
  it('loses no record when it is asked for twice at once', async () => {
    const gates: (() => void)[] = []
    const seqs = [50, 80]
    const client = new Client('', ((url: string) => new Promise<Response>((resolve) => {
      const path = url.replace(/^.*\/runs\/[^/]+/, '').split('?')[0]
      const body = path === '/plan' ? plan : path === '/tasks' ? { items: [] } : path === '/spans' ? { seq: 0, last_at: 0, spans: [] }
        : { seq: seqs.shift(), state: 'running', elapsed_s: 0, last_wall: 0, began_wall: 0, rows: [] }
      const answer = (): void => resolve(new Response(JSON.stringify(body)))
      if (path === '/plan') gates.push(answer)
      else answer()
    })) as typeof fetch, () => 'k')
    const run = new OpenRun('dev', RUN, client, () => undefined)
    const first = run.open()
    await vi.waitFor(() => expect(gates).toHaveLength(1))
    const second = run.open()
    await vi.waitFor(() => expect(gates).toHaveLength(2))
    run.take(events.slice(40, 120))
    // The first reading ends last.
    gates[1]!()
    await second
    run.take(events.slice(120, 200))
    gates[0]!()
    await first
    expect(run.model!.seq).toBe(200)
    const expected = replay(RUN, 'dev', plan, events.slice(80, 200), Infinity)
    expect(run.model!.counts).toEqual(expected.counts)
  })
})

describe('the monitoring page', () => {
  const page = (history: object): string => JSON.stringify(monitoringPage({
    t: (key: Key) => key, words: { locale: 'en' }, environment: () => ({ name: 'dev' }), every: () => undefined, link: () => '',
    use: (key: string) => (key.startsWith('monitoring-history') ? history : { data: { state: 'live' } }),
  } as unknown as App))

  it('does not say that nobody has looked while it does not know yet', () => {
    expect(page({ data: undefined })).not.toContain('monitoring.noHistory')
    expect(page({ data: { points: [] } })).toContain('monitoring.noHistory')
    expect(page({ data: undefined, problem: new Error('the portal is away') })).toContain('the portal is away')
  })
})

describe('what stands on a page', () => {
  it('tells the same alert of many regions once', () => {
    const silent = Array.from({ length: 8 }, (_, i) => ({ severity: 'warning' as const, name: 'region-silent', text: '2 of 2 validators are silent', region: `r${i}` }))
    const items = alertItems([{ severity: 'critical', name: 'quorum-lost', text: '16 of 48 answer' }, ...silent], '#/monitoring')
    expect(items.map(({ title, tone, meta }) => [title, tone, ...meta])).toEqual([['quorum-lost', 'bad'], ['region-silent', 'warn', 'r0, r1, r2, r3, r4, r5 … (8)']])
  })

  it('measures tokens by the full bucket, not by what comes in a second', () => {
    const limit = { name: 'azure/arm/write', capacity: 200, current: 9.8, in_use: 20, waiting: 0, headroom: 0.9, closed_s: 0, throttled: 0 }
    expect([wholeOf({ ...limit, kind: 'tokens' }), wholeOf({ ...limit, kind: 'concurrency' })]).toEqual([200, 9.8])
  })

  it('promises no end while everything waits for a person', () => {
    const gated = { ...plan, nodes: [...plan.nodes, { ...plan.nodes[0]!, id: 'besu/gate/wave-1', kind: 'gate' as const, region: null }] }
    const words = makeWords('en', en)
    const meta = (): readonly string[] => {
      const block = lead({ t: words.t, words, announce: () => undefined, now: () => 0, feed: { link: { getSnapshot: () => ({ state: 'stale' }) } } } as unknown as App, open as unknown as OpenRun, { clusters: [], stragglers: [], critical: [] })
      return block.kind === 'lead' ? block.meta : []
    }
    const model = replay(RUN, 'dev', gated, [], 0)
    model.ends = { low: 50, p50: 55, high: 60 }
    const open = { model, matrix: { rows: () => [] } }
    expect(meta().join()).toContain('Likely over')
    model.apply({ environment: 'dev', seq: 1, run: RUN, at: 1, wall: 1e9, kind: 'note', subject: 'besu/gate/wave-1', event: { reason: 'up', needs_person: true } })
    model.apply({ environment: 'dev', seq: 2, run: RUN, at: 1, wall: 1e9, kind: 'record', subject: '', event: { type: 'StateChanged', task: 'besu/gate/wave-1', state: 'at-gate' } })
    expect(meta().join()).not.toContain('Likely over')
  })
})

describe('the buttons that start a run', () => {
  const looks = (environment: object): unknown[] => {
    const every = vi.fn()
    startButtons({ every, t: (key: Key) => key } as unknown as App, { name: 'dev', allowed: ['rehearse'], run: { state: 'finished' }, ...environment } as unknown as EnvironmentSummary)
    return every.mock.calls
  }

  it('are asked for again while the process of an ended run still holds the environment, and only then', () => {
    expect(looks({})).toEqual([[1000, 'environment']])
    expect(looks({ run: { state: 'running' } })).toEqual([])
    expect(looks({ lock: { by: 'ada' } })).toEqual([])
    expect(looks({ allowed: [] })).toEqual([])
    expect(looks({ allowed: ['rehearse', 'deploy'] })).toEqual([])
  })
})
