/** Editing a fleet: the draft, its check while typing, saving with If-Match, and the merge when somebody was faster. */
import { ApiError } from '../api/client'
import type { EnvironmentDetail, Fault, FleetCheck } from '../api/types'
import { differences, merge, put, same, type Conflict, type Json } from '../model/merge'
import type { App } from './app'

const CHECK_AFTER_MS = 400

export interface Editing {
  readonly name: string
  /** What the edit began from. */
  readonly base: EnvironmentDetail
  readonly document: string
  readonly form: Json
  readonly mode: 'form' | 'yaml'
  readonly check: FleetCheck | null
  readonly faults: readonly Fault[]
  readonly problem: string
  readonly saving: boolean
  readonly conflict: { readonly theirs: EnvironmentDetail; readonly mine: Json; readonly fields: readonly Conflict[] } | null
  readonly choices: Readonly<Record<string, 'mine' | 'theirs'>>
}

export class Editor {
  now: Editing | null = null
  private cancel: (() => void) | null = null
  constructor(private readonly app: App) {}

  /** The edit of that environment; begins one at its present revision. */
  of(detail: EnvironmentDetail): Editing {
    const stale = this.now && this.now.name === detail.name && !this.dirty && this.now.base.etag !== detail.etag
    if (this.now?.name !== detail.name || stale) this.begin(detail)
    return this.now!
  }

  begin(detail: EnvironmentDetail): void {
    this.now = {
      name: detail.name, base: detail, document: detail.document, form: detail.form as Json, mode: this.now?.mode ?? 'form',
      check: null, faults: [], problem: '', saving: false, conflict: null, choices: {},
    }
  }

  get dirty(): boolean {
    const now = this.now
    return now !== null && (now.document !== now.base.document || !same(now.form, now.base.form as Json))
  }

  typed(document: string): void {
    this.set({ document, mode: 'yaml' })
    this.checkLater()
  }

  field(path: string, value: Json | undefined): void {
    if (this.now) this.set({ form: put(this.now.form, path, value), mode: 'form' })
    this.checkLater()
  }

  choose(path: string, whose: 'mine' | 'theirs'): void {
    if (this.now) this.set({ choices: { ...this.now.choices, [path]: whose } })
  }

  discard(): void {
    const theirs = this.now?.conflict?.theirs ?? this.now?.base
    if (theirs) this.begin(theirs)
    this.app.touch()
  }

  async save(): Promise<void> {
    const now = this.now
    if (!now || now.saving) return
    await this.put(now.mode === 'yaml' ? { document: now.document } : { form: now.form }, now.base.etag)
  }

  /** Save both sides' changes together, on top of the revision that was faster. */
  async saveMerged(): Promise<void> {
    const { conflict, base, choices } = this.now ?? {}
    if (!conflict || !base) return
    const merged = merge(base.form as Json, conflict.mine, conflict.theirs.form as Json, (path) => choices?.[path] ?? 'mine')
    await this.put({ form: merged }, conflict.theirs.etag)
  }

  private async put(body: Record<string, unknown>, etag: string): Promise<void> {
    const name = this.now!.name
    const note = this.app.draft(`edit/${name}`)['note'] ?? ''
    this.set({ saving: true, problem: '', faults: [] })
    try {
      const detail = await this.app.client.call('changeEnvironment', {
        method: 'PUT', path: `/environments/${name}`, body: { ...body, note }, headers: { 'If-Match': etag },
      })
      this.begin(detail)
      this.app.drafts.delete(`edit/${name}`)
      this.app.resources.put(`environment/${name}`, detail)
      this.app.resources.refresh('environments')
      this.app.resources.refresh('revisions')
      this.app.toast('good', this.app.t('edit.saved', { n: detail.revision }))
    } catch (error) {
      await this.refused(error)
    }
  }

  private async refused(error: unknown): Promise<void> {
    const problem = error instanceof ApiError ? error.problem : null
    if (problem?.status === 412 && this.now) {
      const theirs = await this.app.client.call('getEnvironment', { method: 'GET', path: `/environments/${this.now.name}` })
      const mine = this.now.conflict?.mine ?? (await this.ownForm())
      this.set({ saving: false, conflict: { theirs, mine, fields: differences(this.now.base.form as Json, mine, theirs.form as Json) } })
      return
    }
    this.set({ saving: false, problem: problem?.detail || (error as Error).message, faults: problem?.errors ?? [] })
  }

  private async ownForm(): Promise<Json> {
    const now = this.now!
    if (now.mode === 'form') return now.form
    const check = await this.check({ document: now.document })
    return check.form as Json
  }

  private check(body: Record<string, unknown>): Promise<FleetCheck> {
    return this.app.client.call('checkFleet', { method: 'POST', path: '/fleets/check', body })
  }

  private checkLater(): void {
    this.cancel?.()
    this.cancel = this.app.world.after(CHECK_AFTER_MS, () => void this.checkNow())
  }

  private async checkNow(): Promise<void> {
    const before = this.now
    if (!before) return
    const body = before.mode === 'yaml' ? { document: before.document } : { form: before.form }
    try {
      const check = await this.check(body)
      if (this.now?.document !== before.document || !same(this.now.form, before.form)) return
      // The other side of the same fleet follows, so that form and text can be changed in turn.
      const other = !check.ok ? {} : before.mode === 'yaml' ? { form: check.form as Json } : { document: check.document || before.document }
      this.set({ check, faults: check.errors ?? [], problem: '', ...other })
    } catch (error) {
      this.set({ problem: (error as Error).message, faults: error instanceof ApiError ? (error.problem.errors ?? []) : [] })
    }
  }

  private set(change: Partial<Editing>): void {
    if (this.now) this.now = { ...this.now, ...change }
    this.app.touch()
  }
}
