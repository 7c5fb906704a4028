// @vitest-environment happy-dom
/** What pages show when answers fail, come late or grow old, and when people go elsewhere meanwhile. */
import { describe, expect, it, vi } from 'vitest'
import { App } from '../src/core/app/app'
import { command } from '../src/core/app/commands'
import type { LogTail } from '../src/core/app/logs'
import type { World } from '../src/core/app/world'
import type { Block } from '../src/core/view/blocks'
import { openDialog } from '../src/core/view/dom'
import { PanelHost, registerPanel } from '../src/core/panels/contract'
import { mount as mountReact } from '../src/react'
import { mount as mountVue } from '../src/vue'
import { events, RUN } from './recorded'
import { contents, world } from './world'

const half = contents(events.filter(({ seq }) => seq <= 620))

/** A server whose answers to some paths the test gives, and a clock that it moves. */
class Stage {
  readonly timers: { at: number; callback: () => void }[] = []
  readonly asked: string[] = []
  readonly answers: [string, () => Response | Promise<Response>][] = []
  at = 0
  readonly world: World
  readonly app: App

  constructor(hash: string) {
    const plain = world(half, hash)
    this.world = {
      ...plain,
      fetch: (input, init) => {
        const path = String(input).replace(/^.*\/api\/v1/, '')
        this.asked.push(`${init?.method ?? 'GET'} ${path}`)
        const own = this.answers.find(([part]) => path.includes(part))
        return own ? Promise.resolve(own[1]()) : plain.fetch(input, init)
      },
      after: (ms, callback) => {
        const timer = { at: this.at + ms, callback }
        this.timers.push(timer)
        return () => void (this.timers.includes(timer) && this.timers.splice(this.timers.indexOf(timer), 1))
      },
    }
    this.app = new App(this.world)
  }

  answer(part: string, body: () => unknown, status = 200): void {
    this.answers.unshift([part, () => new Response(JSON.stringify(body()), { status, headers: { 'Content-Type': 'application/json' } })])
  }

  count(part: string): number {
    return this.asked.filter((path) => path.includes(part)).length
  }

  /** Let time pass: what was to come by then comes, in order. */
  pass(ms: number): void {
    const until = this.at + ms
    for (let next = this.next(until); next; next = this.next(until)) {
      this.timers.splice(this.timers.indexOf(next), 1)
      this.at = next.at
      next.callback()
      this.app.getSnapshot()
    }
    this.at = until
  }

  private next(until: number): { at: number; callback: () => void } | undefined {
    return this.timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
  }

  go(hash: string): void {
    this.world.address.go(hash)
    this.app.routed()
  }

  async shows(text: string): Promise<void> {
    await vi.waitFor(() => expect(this.text()).toContain(text), 5000)
  }

  text(): string {
    return JSON.stringify(this.app.getSnapshot())
  }
}

async function staged(hash: string): Promise<Stage> {
  const stage = new Stage(hash)
  await stage.app.start()
  await vi.waitFor(() => expect(stage.text()).not.toContain('Loading'), 5000)
  return stage
}

const permissions = ['read', 'admin', 'audit', 'change']
const admin = { name: 'ada', role: 'admin', kind: 'token', token_id: 'x', permissions }

describe('a page that is looked at again and again', () => {
  it('goes on being so after another page that was asked for more slowly', async () => {
    const stage = await staged('#/runs')
    stage.app.every(5000, 'environment')
    stage.go('#/regions')
    stage.app.run = null
    // As a page does while the process of an ended run still holds the environment.
    const drawn = (): void => {
      stage.text()
      stage.app.every(1000, 'environment')
    }
    stage.app.subscribe(drawn)
    drawn()
    // Nothing else is under way that would draw the page.
    await vi.waitFor(() => expect(stage.text()).not.toContain('Loading'), 5000)
    await new Promise((resolve) => setTimeout(resolve))
    const before = stage.count('/environments?archived=false')
    stage.pass(5000)
    await Promise.resolve()
    stage.pass(1000)
    await vi.waitFor(() => expect(stage.count('/environments?archived=false')).toBe(before + 1))
  })

  it('is read anew when it is opened again, if no record tells of it', async () => {
    const stage = new Stage('#/audit')
    let entries = 1
    stage.answer('/session', () => admin)
    stage.answer('/audit', () => ({ items: Array.from({ length: entries }, (_, i) => ({ number: i, wall: 1e9, actor: 'ada', role: '', address: '', action: `act-${i}`, environment: '', subject: '', result: 'done', reason: '', hash: 'abc' })), next: null }))
    stage.answer('/audit/check', () => ({ ok: true, entries, head: 'abc' }))
    await stage.app.start()
    await stage.shows('act-0')
    entries = 2
    stage.go('#/now')
    stage.go('#/audit')
    await stage.shows('act-1')
  })
})

describe('an environment whose ledger is away', () => {
  const lab = { name: 'lab', revision: 0, etag: '', fleet: null, target: { emulated: false }, archived: false, run: null, allowed: [], head: 0 }
  const trouble = { kind: 'ledger-away', since: 1e9, detail: 'connection refused', way_out: 'start PostgreSQL' }

  for (const place of ['now', 'environments']) {
    it(`says so where one looks, and goes on when it is back: ${place}`, async () => {
      const stage = new Stage(`#/${place}?env=lab`)
      let away = false
      stage.answer('/environments?archived=false', () => ({ items: [{ ...lab, ledger_problem: away ? trouble : null }], next: null, total: 1 }))
      await stage.app.start()
      await stage.shows(place === 'now' ? 'Nothing has run here yet' : '1 environment')
      away = true
      stage.app.feed.link.update((link) => ({ ...link, state: 'live', away: { since: 1e9, detail: 'connection refused' } }))
      // In the badge at once, and on the page as soon as the list was read anew.
      await vi.waitFor(() => expect(stage.text().match(/Ledger away since/g)).toHaveLength(2), 5000)
      expect(stage.text()).toContain('connection refused')
      expect(stage.text()).not.toContain('Nothing has run here yet')
      away = false
      stage.app.feed.link.update((link) => ({ ...link, away: null }))
      stage.pass(5000)
      await vi.waitFor(() => expect(stage.text()).not.toContain('Ledger away since'), 5000)
    })
  }
})

describe('the list of regions', () => {
  it('says what went wrong instead of loading for ever', async () => {
    const stage = new Stage('#/regions')
    stage.answer('/regions', () => ({ title: 'no', status: 503, detail: 'the portal is busy', retryable: true }), 503)
    await stage.app.start()
    await stage.shows('the portal is busy')
  })
})

describe('a run', () => {
  it('is opened again by the button beside what went wrong', async () => {
    const stage = new Stage(`#/runs/${RUN}/matrix`)
    stage.answer(`/runs/${RUN}/plan`, () => ({ title: 'gone for a moment', status: 503, detail: 'gone for a moment', retryable: true }), 503)
    await stage.app.start()
    await stage.shows('gone for a moment')
    stage.answers.length = 0
    stage.app.dispatch({ do: 'call', name: 'refresh' })
    await vi.waitFor(() => expect(stage.app.run?.model).not.toBeNull(), 5000)
    expect(stage.text()).not.toContain('gone for a moment')
  })

  it('says that a moment of it can not be shown, and shows it once it can', async () => {
    const stage = new Stage(`#/runs/${RUN}/matrix?at=300`)
    stage.answer(`/runs/${RUN}/events`, () => ({ title: 'no', status: 503, detail: 'the records are away', retryable: true }), 503)
    await stage.app.start()
    await stage.shows('the records are away')
    // Not asked again and again by itself.
    const asked = stage.count('/events?')
    for (let i = 0; i < 5; i++) stage.text()
    expect(stage.count('/events?')).toBe(asked)
    stage.answers.length = 0
    stage.app.dispatch({ do: 'call', name: 'refresh' })
    await stage.shows('The run as it stood at event 300')
    expect(stage.text()).not.toContain('the records are away')
  })

  it('is not played on when its page is left', async () => {
    const stage = await staged(`#/runs/${RUN}/matrix`)
    stage.app.run!.loadRecords()
    await vi.waitFor(() => expect(stage.app.run!.records).not.toBeNull())
    stage.app.dispatch({ do: 'call', name: 'play' })
    stage.pass(200)
    expect(Number(stage.app.route.query['at'])).toBeGreaterThan(0)
    stage.go('#/settings')
    stage.pass(2000)
    expect([stage.app.playing, stage.app.route.query['at']]).toEqual([false, undefined])
    expect([command(stage.app, 'step-back'), command(stage.app, 'play')]).toEqual([false, false])
  })
})

describe('a log', () => {
  const tailOf = (stage: Stage): LogTail => {
    const find = (blocks: readonly Block[]): LogTail | undefined => blocks.flatMap((block) => (block.kind === 'section' ? [find(block.blocks)] : block.kind === 'panel' && block.panel === 'log' ? [(block.input as { tail: LogTail }).tail] : [])).find(Boolean)
    return find(stage.app.getSnapshot().page.blocks)!
  }

  it('is read as long as somebody looks at it, and no longer', async () => {
    const stage = new Stage(`#/runs/${RUN}/logs?task=besu/start/uksouth-0`)
    stage.answer('/logs', () => ({ lines: [{ number: 1, text: 'hello' }], next: 'c', over: false }))
    await stage.app.start()
    await vi.waitFor(() => expect(tailOf(stage)).toBeDefined(), 5000)
    expect(stage.count('/logs')).toBe(0)
    const off = tailOf(stage).subscribe(() => undefined)
    await vi.waitFor(() => expect(tailOf(stage).lines).toHaveLength(1))
    stage.pass(1000)
    await vi.waitFor(() => expect(tailOf(stage).lines).toHaveLength(2))
    off()
    stage.pass(60_000)
    await Promise.resolve()
    expect(stage.count('/logs')).toBe(2)
  })

  it('goes on after a server that was away, and not after one that refuses', async () => {
    const stage = new Stage(`#/runs/${RUN}/logs?task=besu/start/uksouth-0`)
    const problem = { title: 'away', status: 503, detail: 'away', retryable: true }
    stage.answer('/logs', () => problem, 503)
    await stage.app.start()
    await vi.waitFor(() => expect(tailOf(stage)).toBeDefined(), 5000)
    const tail = tailOf(stage)
    tail.subscribe(() => undefined)
    await vi.waitFor(() => expect(tail.problem).toBe('away'))
    stage.answers.length = 0
    stage.answer('/logs', () => ({ title: 'no', status: 404, detail: 'no such attempt', retryable: false }), 404)
    stage.pass(5000)
    await vi.waitFor(() => expect(tail.problem).toBe('no such attempt'))
    const asked = stage.count('/logs')
    stage.pass(60_000)
    await Promise.resolve()
    expect(stage.count('/logs')).toBe(asked)
  })
})

describe('what a form asks for', () => {
  it('is asked once, however often it is pressed, and what is refused is said', async () => {
    const stage = new Stage('#/settings')
    stage.answer('/session', () => admin)
    stage.answer('/settings', () => ({ ui: 'vue', read_only: false }))
    await stage.app.start()
    await stage.shows('For everybody')
    stage.answers.unshift(['/settings', () => new Response(JSON.stringify({ title: 'no', status: 409, detail: 'a reason is needed', way_out: 'give one', retryable: false }), { status: 409 })])
    stage.app.dispatch({ do: 'call', name: 'saveSettings' })
    stage.app.dispatch({ do: 'call', name: 'saveSettings' })
    await stage.shows('a reason is needed')
    expect(stage.text()).toContain('give one')
    expect(stage.count('PUT /settings')).toBe(1)
  })
})

describe('signing out', () => {
  it('forgets what was typed', async () => {
    const stage = await staged('#/now')
    stage.app.setDraft('token', { name: 'mine' })
    stage.answer('/session', () => ({}))
    await stage.app.leave()
    expect(stage.app.draft('token')).toEqual({})
  })
})

describe('a dialog', () => {
  it('keeps keys from what lies behind it', async () => {
    const stage = await staged(`#/runs/${RUN}/matrix`)
    stage.app.dispatch({ do: 'call', name: 'help' })
    expect([command(stage.app, 'pause'), command(stage.app, 'settings'), command(stage.app, 'palette')]).toEqual([false, false, false])
    expect(stage.app.overlay).toEqual({ kind: 'help' })
    expect([command(stage.app, 'close'), stage.app.overlay]).toEqual([true, null])
  })

  it.each([['vue', mountVue], ['react', mountReact]] as const)('gives the focus back to what opened it: %s', async (_, mount) => {
    const stage = new Stage('#/now')
    const el = document.createElement('div')
    document.body.replaceChildren(el)
    mount(stage.app, el)
    await stage.app.start()
    const opener = await vi.waitFor(() => {
      const button = el.querySelector<HTMLElement>('.tools button:last-of-type')!
      expect(button).not.toBeNull()
      return button
    }, 5000)
    opener.focus()
    stage.app.dispatch({ do: 'call', name: 'help' })
    await vi.waitFor(() => expect(el.querySelector('dialog')).not.toBeNull())
    el.querySelector<HTMLElement>('dialog button')!.focus()
    stage.app.dispatch({ do: 'call', name: 'close' })
    await vi.waitFor(() => expect(el.querySelector('dialog')).toBeNull())
    expect(document.activeElement).toBe(opener)
  })

  it('leaves the focus where somebody put it meanwhile', async () => {
    document.body.innerHTML = '<button id="a"></button><button id="b"></button>'
    const [a, b] = [...document.querySelectorAll('button')]
    const dialog = document.body.appendChild(document.createElement('dialog'))
    a!.focus()
    openDialog(dialog)
    dialog.remove()
    b!.focus()
    openDialog(null)
    await Promise.resolve()
    expect(document.activeElement).toBe(b)
  })
})

describe('a panel', () => {
  it('says so where its code can not be had', async () => {
    registerPanel('broken', () => Promise.reject(new Error('no such file')))
    const el = document.createElement('div')
    new PanelHost(el, { kind: 'panel', key: 'p', panel: 'broken', label: 'Map', input: null }, () => undefined)
    await vi.waitFor(() => expect(el.textContent).toBe('Map: no such file'))
  })
})
