/**
 * What pages read from the server: loaded when a page first asks, kept while it is read anew, never blanked.
 */
import { ApiError, localProblem } from '../api/client'

export interface Resource<T> {
  readonly data: T | undefined
  readonly problem: ApiError | undefined
  readonly loading: boolean
}

interface Slot {
  value: Resource<unknown>
  load: () => Promise<unknown>
  stale: boolean
  turn: number
}

const MOST = 200

export class Resources {
  private readonly slots = new Map<string, Slot>()
  constructor(private readonly touch: () => void) {}

  /** What is known under that key; begins loading if nothing is, or if it went stale. */
  use<T>(key: string, load: () => Promise<T>): Resource<T> {
    let slot = this.slots.get(key)
    if (!slot) {
      slot = { value: { data: undefined, problem: undefined, loading: true }, load, stale: false, turn: 0 }
      this.slots.set(key, slot)
      if (this.slots.size > MOST) this.slots.delete(this.slots.keys().next().value as string)
      void this.run(slot)
    } else if (slot.stale) {
      slot.load = load
      slot.stale = false
      void this.run(slot)
    }
    return slot.value as Resource<T>
  }

  peek<T>(key: string): T | undefined {
    return this.slots.get(key)?.value.data as T | undefined
  }

  put<T>(key: string, data: T): void {
    const slot = this.slots.get(key)
    if (slot) slot.value = { data, problem: undefined, loading: false }
    else this.slots.set(key, { value: { data, problem: undefined, loading: false }, load: () => Promise.resolve(data), stale: false, turn: 0 })
    this.touch()
  }

  /** Read anew, at the next use, what begins with that prefix; the pages' own code is read once. */
  refresh(prefix: string): void {
    for (const [key, slot] of this.slots) if (key.startsWith(prefix) && !(key.startsWith('page/') && slot.value.data)) slot.stale = true
    this.touch()
  }

  clear(): void {
    this.slots.clear()
  }

  private async run(slot: Slot): Promise<void> {
    const turn = ++slot.turn
    try {
      const data = await slot.load()
      if (turn === slot.turn) slot.value = { data, problem: undefined, loading: false }
    } catch (error) {
      if (turn !== slot.turn) return
      const problem = error instanceof ApiError ? error : new ApiError(localProblem(String(error)))
      slot.value = { data: slot.value.data, problem, loading: false }
    }
    this.touch()
  }
}
