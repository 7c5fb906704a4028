/**
 * One connection to the event stream, by `fetch`: it can send a bearer token, sees the status, and stops on 401.
 *
 * Lost connections come back with full-jitter back-off from 1 to 30 s, from the last `id` seen. 45 s of silence is a
 * dead connection (the server pings every 15 s). A refusal (400, 401, 403, 404, 410) is never repeated.
 */
import { FrameParser, type Frame } from './parser'

export type StreamState = 'connecting' | 'live' | 'waiting' | 'signed-out' | 'refused' | 'closed'

export interface StreamHandlers {
  frame(frame: Frame): void
  state(state: StreamState, detail: string): void
}

export interface Surroundings {
  fetch: typeof fetch
  random(): number
  now(): number
  setTimeout(callback: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
}

/** Of a page or a worker. */
export const realWorld: Surroundings = {
  fetch: (...args) => fetch(...args),
  random: () => Math.random(),
  now: () => Date.now(),
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer as number),
}

const SILENCE_MS = 45_000
const FATAL = new Set([400, 401, 403, 404, 410])
export const backoffMs = (attempt: number, random: number): number => random * Math.min(30_000, 1000 * 2 ** attempt)

export class EventStream {
  private abort: AbortController | null = null
  private attempt = 0
  private timer: unknown = null
  private watchdog: unknown = null
  private closed = false

  constructor(
    private readonly address: (since: string) => string,
    private readonly token: () => string,
    private since: string,
    private readonly handlers: StreamHandlers,
    private readonly world: Surroundings,
  ) {}

  open(): void {
    void this.connect()
  }

  /** Connect at once if waiting: the tab came back, or the network did. */
  wake(): void {
    if (this.timer === null || this.closed) return
    this.world.clearTimeout(this.timer)
    this.timer = null
    this.attempt = 0
    void this.connect()
  }

  close(): void {
    this.closed = true
    if (this.timer !== null) this.world.clearTimeout(this.timer)
    this.calm()
    this.abort?.abort()
    this.handlers.state('closed', '')
  }

  private async connect(): Promise<void> {
    this.handlers.state('connecting', '')
    const abort = new AbortController()
    this.abort = abort
    this.guard(abort)
    try {
      const response = await this.world.fetch(this.address(this.since), {
        headers: { Authorization: `Bearer ${this.token()}`, Accept: 'text/event-stream' },
        signal: abort.signal, cache: 'no-store', credentials: 'omit',
      })
      if (FATAL.has(response.status)) return this.stop(response.status)
      if (!response.ok || !response.body || response.status === 204) throw new Error(`HTTP ${response.status}`)
      await this.read(response.body, abort)
      this.later('the server closed the stream')
    } catch (error) {
      this.later(error instanceof Error ? error.message : String(error))
    }
  }

  private async read(body: ReadableStream<Uint8Array>, abort: AbortController): Promise<void> {
    const reader = body.getReader()
    const decoder = new TextDecoder()
    const parser = new FrameParser()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      this.guard(abort)
      for (const frame of parser.feed(decoder.decode(value, { stream: true }))) this.take(frame)
    }
  }

  private take(frame: Frame): void {
    if (frame.id) this.since = frame.id
    if (frame.event === 'hello') {
      this.attempt = 0
      this.handlers.state('live', '')
    }
    if (frame.event === 'auth-expired') {
      this.stop(401)
      this.abort?.abort()
      return
    }
    this.handlers.frame(frame)
  }

  private stop(status: number): void {
    this.closed = true
    this.calm()
    this.handlers.state(status === 401 ? 'signed-out' : 'refused', String(status))
  }

  private later(why: string): void {
    this.calm()
    if (this.closed) return
    this.handlers.state('waiting', why)
    this.timer = this.world.setTimeout(() => {
      this.timer = null
      void this.connect()
    }, backoffMs(this.attempt++, this.world.random()))
  }

  private guard(abort: AbortController): void {
    this.calm()
    this.watchdog = this.world.setTimeout(() => abort.abort(new Error('45 s of silence')), SILENCE_MS)
  }

  private calm(): void {
    if (this.watchdog !== null) this.world.clearTimeout(this.watchdog)
    this.watchdog = null
  }
}
