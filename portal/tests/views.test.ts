// @vitest-environment happy-dom
/** The quick half of the parity gate: one recorded run, every page of it, both views, equal documents. */
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { App } from '../src/core/app/app'
import type { RunExport } from '../src/core/api/types'
import { mount as mountReact } from '../src/react'
import { mount as mountVue } from '../src/vue'
import { canonical } from '../e2e/canonical.js'
import { events, RUN } from './recorded'
import { contents, world } from './world'

type MountView = (app: App, el: HTMLElement) => void

async function drawn(mount: MountView, data: RunExport, hash: string, act?: (app: App) => void): Promise<{ text: string; el: HTMLElement; app: App }> {
  const el = document.createElement('div')
  document.body.replaceChildren(el)
  const app = new App(world(data, hash))
  mount(app, el)
  await app.start()
  await vi.waitFor(() => expect(el.textContent).not.toContain('Loading'), 5000)
  act?.(app)
  let before = ''
  await vi.waitFor(() => {
    const now = canonical(el.firstChild ?? el)
    const settled = now === before && [...el.querySelectorAll('.panel')].every((panel) => panel.firstChild)
    before = now
    expect(settled).toBe(true)
  }, { timeout: 5000, interval: 60 })
  return { text: before, el, app }
}

beforeAll(() => {
  globalThis.ResizeObserver ??= class { observe(): void {} disconnect(): void {} unobserve(): void {} }
})

const whole = contents(events)
const half = contents(events.filter(({ seq }) => seq <= 620))
const places = ['now', ...['gantt', 'graph', 'plan', 'events'].map((tab) => `runs/${RUN}/${tab}`), `runs/${RUN}/matrix?at=300&task=besu/start/uksouth-0&group=continent`, 'runs', 'settings', 'access', 'nowhere']

describe('a recorded run', () => {
  it.each(places.map((place, i) => [place, i % 2 ? whole : half] as const))('looks the same in both views: %s', async (place, data) => {
    const vue = await drawn(mountVue, data, `#/${place}`)
    const react = await drawn(mountReact, data, `#/${place}`)
    expect(vue.text.length).toBeGreaterThan(800)
    expect(react.text).toBe(vue.text)
  })
})

describe.each([['vue', mountVue], ['react', mountReact]] as [string, MountView][])('the %s view', (_, mount) => {
  it('draws rows again only where something changed', async () => {
    const { el, app } = await drawn(mount, half, '#/now')
    const rows = [...el.querySelectorAll('tbody tr')]
    expect(rows).toHaveLength(24)
    const changed = new Set<Element>()
    const observer = new MutationObserver((list) => { for (const { target } of list) changed.add(((target.nodeType === 1 ? target : target.parentNode) as Element).closest('tr')!) })
    for (const row of rows) observer.observe(row, { subtree: true, childList: true, attributes: true, characterData: true })
    app.run!.take([{ ...events[0]!, seq: 9999, at: 20, event: { type: 'StateChanged', task: 'verification/region/uksouth', state: 'failed' } }])
    app.touch()
    await vi.waitFor(() => expect(changed.size).toBeGreaterThan(0))
    expect([...changed].map((row) => row.textContent)).toEqual([expect.stringContaining('uksouth')])
    observer.disconnect()
  })

  it('shows the confirm sheet with the command and curl, and sends nothing before it is confirmed', async () => {
    const { el } = await drawn(mount, half, '#/now', (app) => app.dispatch({ do: 'verb', verb: { verb: 'act', environment: 'dev', run: RUN, action: 'pause', tasks: [], gate: '' } }))
    const text = el.querySelector('dialog')!.textContent
    expect(text).toContain('chainfleet pause')
    expect(text).toContain(`/runs/${RUN}/actions/pause`)
  })
})
