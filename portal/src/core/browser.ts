/** The application in a real browser: everything it needs of its surroundings, and the two frameworks' common start. */
import { App } from './app/app'
import type { World } from './app/world'
import { connectHub } from './live/feed'
import { registerPanel } from './panels/contract'

interface Policy {
  createScriptURL(url: string): unknown
}
const policy = (globalThis as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } }).trustedTypes?.createPolicy('chainfleet', {
  createScriptURL: (url) => {
    if (new URL(url, location.href).origin !== location.origin) throw new TypeError(`not from here: ${url}`)
    return url
  },
})

function workerUrl(): string {
  const url = new URL(__HUB__, document.baseURI).href
  return (policy ? policy.createScriptURL(url) : url) as string
}

export function focusOn(what: Parameters<World['focus']>[0]): void {
  if (what === 'search') document.querySelector<HTMLElement>('main input[type="search"]')?.focus()
  else document.getElementById('main')?.focus({ preventScroll: true })
}

// The browser tells the title to its own windows: dear, and nobody reads it ten times a second.
const TITLE_MS = 250
let wantedTitle = ''
let titleSet = ''
let titleTimer: ReturnType<typeof setTimeout> | null = null

function setTitle(title: string): void {
  wantedTitle = title
  if (titleTimer !== null || title === titleSet) return
  document.title = titleSet = title
  titleTimer = setTimeout(() => {
    titleTimer = null
    setTitle(wantedTitle)
  }, TITLE_MS)
}

export function browserWorld(framework: string): World {
  const root = document.documentElement
  return {
    base: '', origin: location.origin, framework,
    fetch: (...args) => fetch(...args),
    connect: connectHub(workerUrl),
    address: {
      hash: () => location.hash,
      replaceHash: (hash) => history.replaceState(null, '', hash),
      go: (url) => location.assign(url),
    },
    local: localStorage, session: sessionStorage, language: navigator.language,
    now: () => Date.now(),
    newKey: () => crypto.randomUUID(),
    after: (ms, callback) => {
      const timer = setTimeout(callback, ms)
      return () => clearTimeout(timer)
    },
    // Where the page is not secure there is no clipboard at all.
    copy: async (text) => navigator.clipboard.writeText(text),
    save: (name, text, type) => {
      const link = document.createElement('a')
      link.href = URL.createObjectURL(new Blob([text], { type }))
      link.download = name
      link.click()
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
    },
    readAsset: async (path) => {
      const response = await fetch(new URL(path, document.baseURI))
      if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`)
      return response.text()
    },
    applyTheme: (theme, density, language) => {
      if (theme === 'auto') root.removeAttribute('data-theme')
      else root.setAttribute('data-theme', theme)
      root.setAttribute('data-density', density)
      root.lang = language
    },
    setTitle,
    focus: focusOn,
    // The fragment goes along, so the other pages open at the same place.
    switchFramework: (name) => location.assign(`../${name}/${location.hash}`),
  }
}

const TYPING = 'input:not([type="checkbox"]):not([type="range"]), textarea, select, [contenteditable]'
const PRESSING = 'button, a, summary, input, [role="gridcell"], [role="rowheader"]'

/** Join the application to the window: address, keys, coming back to the tab. */
export function attach(app: App): void {
  addEventListener('hashchange', () => app.routed())
  addEventListener('keydown', (event) => {
    const target = event.target instanceof Element ? event.target : null
    const pressed = app.press({
      key: event.key, ctrlKey: event.ctrlKey, metaKey: event.metaKey, altKey: event.altKey,
      typing: Boolean(target?.matches(TYPING)), pressing: Boolean(target?.closest(PRESSING)),
    })
    if (pressed) event.preventDefault()
  })
  addEventListener('online', () => app.feed.wake())
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') app.feed.wake()
  })
  // For panels from elsewhere, and for measurements.
  Object.assign(globalThis, { chainfleet: { metrics: app.feed.metrics, registerPanel } })
}

export function startBrowser(framework: string, mount: (app: App, el: HTMLElement) => void): void {
  const app = new App(browserWorld(framework))
  attach(app)
  mount(app, document.getElementById('app')!)
  void app.start()
}
