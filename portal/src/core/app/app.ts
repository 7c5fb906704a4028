/**
 * The application: everything a view needs behind `getSnapshot`, `subscribe` and `dispatch`.
 *
 * State changes touch one signal; the shell's model is built anew at most once per microtask, and from it the view
 * draws. Records of the ledger come through the feed, what pages read besides through `resources`.
 */
import { Client } from '../api/client'
import type { EnvironmentDetail, EnvironmentSummary, EventView, Meta, SessionView } from '../api/types'
import { loadWords, makeWords, type Words } from '../i18n'
import { en } from '../i18n/en'
import { Feed } from '../live/feed'
import { Signal, type Readable } from '../util/store'
import type { Act, ShellModel, Tone } from '../view/blocks'
import { calls, typed, type Calls } from './calls'
import { Editor } from './editing'
import { Keys, type KeyPress } from './keys'
import { command } from './commands'
import { Resources, type Resource } from './resources'
import { href, parseRoute, type Route } from './router'
import { OpenRun } from './runs'
import { loadPreferences, savePreferences, type Preferences } from './preferences'
import { forget, signIn, signOut, withToken } from './session'
import { shell } from './shell'
import { beginSheet, confirmSheet, type Sheet } from './sheet'
import type { World } from './world'

// Many things that change what may be done come together.
const DETAIL_AFTER_MS = 150
const ANNOUNCE_MS = 5000
/** What no record of a ledger tells of: read anew whenever another page is opened. */
const UNHEARD = ['access', 'audit', 'monitoring', 'region/', 'settings', 'tokens'] as const

export interface Toast {
  readonly key: string
  readonly tone: Tone
  readonly text: string
}

export type Overlay = { readonly kind: 'sheet'; readonly sheet: Sheet } | { readonly kind: 'palette' } | { readonly kind: 'help' } | null

export class App implements Readable<ShellModel> {
  readonly client: Client
  readonly feed: Feed
  readonly resources: Resources
  readonly drafts = new Map<string, Record<string, string>>()
  readonly keys: Keys
  readonly editor: Editor
  playing = false
  words: Words = makeWords('en', en)
  preferences: Preferences
  route: Route
  meta: Meta | null = null
  who: SessionView | null = null
  problem = ''
  booting = true
  overlay: Overlay = null
  toasts: Toast[] = []
  announcement = ''
  run: OpenRun | null = null
  private readonly signal = new Signal()
  private readonly calls: Calls
  private snapshot: ShellModel | null = null
  private watched = ''
  private stopTick: (() => void) | null = null
  private readonly looking = new Set<string>()
  private toastCount = 0
  private detailAsked = false
  private ledgerAway = false
  private toAnnounce = ''
  private announcing: (() => void) | null = null

  constructor(readonly world: World) {
    this.preferences = loadPreferences(world.local, world.language)
    this.route = parseRoute(world.address.hash())
    this.client = new Client(world.base, world.fetch, () => world.newKey())
    this.client.onSignedOut = () => this.signedOut()
    this.feed = new Feed(world.connect, world.base, () => world.now())
    this.feed.link.subscribe(() => {
      const { state, away } = this.feed.link.getSnapshot()
      if (state === 'signed-out' && this.who) this.signedOut()
      // The list says more of a ledger that went away, and has its runs again when it is back.
      if (this.ledgerAway !== (away !== null)) {
        this.ledgerAway = away !== null
        this.resources.refresh('environments')
      }
      this.touch()
    })
    this.resources = new Resources(() => this.touch())
    this.keys = new Keys(this.preferences.bindings, this.preferences.letters)
    this.editor = new Editor(this)
    this.calls = calls(this)
  }

  // --- what a view uses -------------------------------------------------------------------

  getSnapshot = (): ShellModel => (this.snapshot ??= shell(this))
  subscribe = this.signal.subscribe

  dispatch = (act: Act, value: string = ''): void => {
    if (act.do === 'go') this.go(act.to)
    else if (act.do === 'query') this.setQuery(fill(act.set, value))
    else if (act.do === 'verb') beginSheet(this, act.verb)
    else if (act.do === 'draft') typed(this, act.form, act.field, value) || this.setDraft(act.form, { [act.field]: value })
    else this.calls[act.name]?.(act.args ?? [], value)
  }

  press = (event: KeyPress): boolean => {
    const pressed = this.keys.press(event, this.world.now())
    return pressed !== null && command(this, pressed)
  }

  // --- beginning --------------------------------------------------------------------------

  async start(): Promise<void> {
    this.applyPreferences()
    await this.speak()
    try {
      const { meta, who, problem } = await signIn(this.client, this.world.session, this.world.address)
      this.meta = meta
      this.problem = problem
      this.signedIn(who)
    } catch (error) {
      this.problem = (error as Error).message
    }
    this.booting = false
    this.touch()
  }

  signedIn(who: SessionView | null): void {
    this.who = who
    this.route = parseRoute(this.world.address.hash())
    if (who) this.tick()
    this.touch()
  }

  async useToken(token: string): Promise<void> {
    const { who, problem } = await withToken(this.client, this.world.session, token.trim())
    this.problem = problem
    this.signedIn(who)
  }

  async leave(): Promise<void> {
    await signOut(this.client, this.world.session).catch(() => undefined)
    this.signedOut()
  }

  private signedOut(): void {
    forget(this.world.session)
    this.who = null
    this.watched = ''
    this.run = null
    this.overlay = null
    this.editor.now = null
    this.drafts.clear()
    this.feed.stop()
    this.resources.clear()
    this.stopTick?.()
    this.touch()
  }

  // --- state ------------------------------------------------------------------------------

  touch = (): void => {
    this.snapshot = null
    this.signal.touch()
  }

  get t(): Words['t'] {
    return this.words.t
  }

  /** The server's clock in ms, as far as it is known. */
  now(): number {
    const skew = this.feed.skewMs
    // Below the jitter of a request there is nothing to correct.
    return this.world.now() + (Math.abs(skew) > 2000 ? skew : 0)
  }

  setDraft(form: string, values: Record<string, string>): void {
    this.drafts.set(form, { ...this.drafts.get(form), ...values })
    this.touch()
  }

  draft(form: string): Record<string, string> {
    return this.drafts.get(form) ?? {}
  }

  use<T>(key: string, load: () => Promise<T>): Resource<T> {
    return this.resources.use(key, load)
  }

  may(permission: string): boolean {
    return !this.meta?.read_only && (this.who?.permissions.includes(permission) ?? false)
  }

  toast(tone: Tone, text: string): void {
    const key = String(++this.toastCount)
    this.toasts = [...this.toasts, { key, tone, text }].slice(-4)
    this.world.after(tone === 'bad' ? 12_000 : 6000, () => {
      this.toasts = this.toasts.filter((toast) => toast.key !== key)
      this.touch()
    })
    this.touch()
  }

  /** Tell screen readers, at most every 5 s: a thousand events a second are one sentence. */
  announce(text: string): void {
    this.toAnnounce = text
    if (text === this.announcement || this.announcing) return
    this.announcement = text
    this.announcing = this.world.after(ANNOUNCE_MS, () => {
      this.announcing = null
      if (this.toAnnounce !== this.announcement) this.touch()
    })
  }

  prefer(change: Partial<Preferences>): void {
    this.preferences = { ...this.preferences, ...change }
    savePreferences(this.world.local, this.preferences)
    this.keys.bind(this.preferences.bindings, this.preferences.letters)
    this.applyPreferences()
    void this.speak()
    this.touch()
  }

  private applyPreferences(): void {
    const { theme, density, language } = this.preferences
    this.world.applyTheme(theme, density, language === 'pseudo' ? 'en' : language)
  }

  private async speak(): Promise<void> {
    if (this.words.language !== this.preferences.language) this.words = await loadWords(this.preferences.language)
    this.touch()
  }

  // --- places -----------------------------------------------------------------------------

  go(to: string): void {
    this.overlay = null
    this.world.address.go(to)
  }

  /** The address changed: by a link, the back button, or `go`. */
  routed(): void {
    const route = parseRoute(this.world.address.hash())
    const before = this.route
    this.route = route
    if (route.path.join('/') !== before.path.join('/')) this.arrived()
    this.touch()
  }

  /** Another page: its heading is read out, and nothing more of the one before. */
  private arrived(): void {
    this.announcing?.()
    this.announcing = null
    this.announcement = this.toAnnounce = ''
    if (this.route.path[0] !== 'runs' || this.route.path[1] !== this.run?.run) this.playing = false
    for (const name of UNHEARD) this.resources.refresh(name)
    this.world.focus('main')
  }

  link(path: readonly string[], query: Readonly<Record<string, string | null>> = {}): string {
    return href(path, { env: this.environmentName || null, ...query })
  }

  setQuery(set: Readonly<Record<string, string | null>>): void {
    const hash = href(this.route.path, { ...this.route.query, ...set })
    this.world.address.replaceHash(hash)
    this.route = parseRoute(hash)
    this.touch()
  }

  // --- environments and the stream --------------------------------------------------------

  environments(): Resource<EnvironmentSummary[]> {
    const list = (archived: boolean): Promise<EnvironmentSummary[]> => this.client.all({ method: 'GET', path: '/environments', query: { archived } })
    return this.use('environments', async () => (await Promise.all([list(false), list(true)])).flat())
  }

  get environmentName(): string {
    const known = this.resources.peek<EnvironmentSummary[]>('environments') ?? []
    // On an environment's own page it is the one that is meant.
    const own = this.route.path[0] === 'environments' ? this.route.path[1] : undefined
    const wanted = known.some(({ name }) => name === own) ? own : (this.route.query['env'] ?? this.preferences.environment)
    return known.find(({ name }) => name === wanted)?.name ?? known.find(({ archived }) => !archived)?.name ?? known[0]?.name ?? ''
  }

  environment(): EnvironmentSummary | undefined {
    const name = this.environmentName
    const found = this.environments().data?.find((environment) => environment.name === name)
    if (found && this.watched !== name) this.watch(found)
    return found
  }

  detail(name: string): Resource<EnvironmentDetail> {
    return this.use(`environment/${name}`, () => this.client.call('getEnvironment', { method: 'GET', path: `/environments/${name}` }))
  }

  private watch(environment: EnvironmentSummary): void {
    this.watched = environment.name
    this.feed.watch(environment.name, environment.head ?? 0, this.client.token, {
      records: (records) => this.take(records),
      missed: () => this.readAnew(),
    })
  }

  /** The run with that name, opened if it isn't. */
  openRun(run: string): OpenRun {
    const environment = this.environmentName
    if (this.run?.run === run && this.run.environment === environment) return this.run
    this.run = new OpenRun(environment, run, this.client, this.touch)
    void this.run.open()
    return this.run
  }

  /** Everything that is on the page: some of it was missed, or could not be had. */
  readAnew(): void {
    this.resources.refresh('')
    void this.run?.open()
  }

  private take(records: readonly EventView[]): void {
    this.run?.take(records)
    for (const record of records) this.notice(record)
    this.touch()
  }

  private notice(record: EventView): void {
    const type = record.event['type']
    if (record.kind === 'environment') {
      this.resources.refresh('environment')
      this.resources.refresh('revisions')
      if (type === 'RunAsked') this.resources.refresh('runs')
    } else if (record.kind === 'record' && (type === 'Plan' || type === 'RunStarted' || type === 'Finish')) {
      this.resources.refresh('environment')
      this.resources.refresh('runs')
      if (this.run?.run === record.run && !this.run.model) void this.run.open()
      if (type === 'Finish') this.askDetail(record.run)
    } else if (record.kind === 'request' || type === 'OpenGate' || type === 'GateDecided' || (type === 'StateChanged' && record.event['state'] === 'failed')) {
      this.askDetail(record.run)
    }
  }

  private askDetail(run: string): void {
    if (this.run?.run !== run || this.detailAsked) return
    this.detailAsked = true
    this.world.after(DETAIL_AFTER_MS, () => {
      this.detailAsked = false
      void this.refreshDetail()
    })
  }

  /** What may be done now changes with what was done; the server says it. */
  async refreshDetail(): Promise<void> {
    const run = this.run
    if (!run) return
    try {
      run.detail = await this.client.call('getRun', { method: 'GET', path: `/environments/${run.environment}/runs/${run.run}` })
      this.touch()
    } catch {
      // The page goes on with what it knows; the link badge says when the server is away.
    }
  }

  // --- time -------------------------------------------------------------------------------

  private tick(): void {
    this.stopTick?.()
    const again = (): void => {
      const model = this.run?.model
      const live = this.feed.isLive
      if ((model && model.verdict === null && live) || this.run?.insightBehind) this.touch()
      this.stopTick = this.world.after(1000, again)
    }
    this.stopTick = this.world.after(1000, again)
  }

  /** Read something anew every few seconds while its page is open. */
  every(ms: number, key: string): void {
    if (this.looking.has(key)) return
    this.looking.add(key)
    const path = this.route.path[0]
    this.world.after(ms, () => {
      this.looking.delete(key)
      // The page that is open now may want the same, and could not ask as long as this one waited.
      if (this.route.path[0] !== path) this.touch()
      else if (this.who) this.resources.refresh(key)
    })
  }

  // --- overlays ---------------------------------------------------------------------------

  show(overlay: Overlay): void {
    this.overlay = overlay
    this.touch()
  }

  confirm(): void {
    if (this.overlay?.kind === 'sheet') void confirmSheet(this, this.overlay.sheet)
  }
}

/** `*` in what a control sets stands for its value. */
function fill(set: Readonly<Record<string, string | null>>, value: string): Record<string, string | null> {
  return Object.fromEntries(Object.entries(set).map(([key, to]) => [key, to === '*' ? value || null : to]))
}
