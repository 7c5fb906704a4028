/** The tail of one attempt's log: read on by cursor while the attempt runs, bounded in the browser. */
import { ApiError } from '../api/client'
import type { LogLine } from '../api/types'
import { settle } from '../draw/sgr'
import { Signal } from '../util/store'
import type { App } from './app'

const RING = 20_000
const PAGE = 1000
const AGAIN_MS = 1000
const AFTER_TROUBLE_MS = 5000

export interface ShownLine {
  readonly number: number
  readonly time: string
  readonly level: string
  readonly text: string
}

/** Terraform writes JSON lines; people want its message. */
export function readable(line: LogLine): ShownLine {
  const text = settle(line.text)
  const match = /^(\d\d:\d\d:\d\d)(?:\.\d+)? (.*)$/s.exec(text)
  const rest = match?.[2] ?? text
  if (rest.startsWith('{"@level"')) {
    try {
      const json = JSON.parse(rest) as { '@level': string; '@message': string }
      return { number: line.number, time: match?.[1] ?? '', level: json['@level'], text: json['@message'] }
    } catch {
      // Cut off in the middle: shown as it is.
    }
  }
  return { number: line.number, time: match?.[1] ?? '', level: /\berror\b/i.test(rest) ? 'error' : '', text: rest }
}

export class LogTail {
  readonly lines: ShownLine[] = []
  dropped = 0
  over = false
  problem = ''
  version = 0
  private readonly signal = new Signal()
  private cursor: string | undefined
  private readers = 0
  private reading = false
  private cancel: (() => void) | null = null

  constructor(private readonly app: App, private readonly path: string, private readonly query: Record<string, string>) {}

  /** It is read on as long as somebody looks at it. */
  subscribe = (listener: () => void): (() => void) => {
    const off = this.signal.subscribe(listener)
    if (this.readers++ === 0 && !this.reading) void this.read()
    return () => {
      off()
      if (--this.readers > 0) return
      this.cancel?.()
      this.cancel = null
    }
  }

  private async read(): Promise<void> {
    this.reading = true
    let again: number | null = null
    try {
      const page = await this.app.client.call('getLogs', {
        method: 'GET', path: `${this.path}/logs`, query: { ...this.query, limit: PAGE, ...(this.cursor ? { cursor: this.cursor } : { tail: true }) },
      })
      this.lines.push(...page.lines.map(readable))
      if (this.lines.length > RING) this.dropped += this.lines.splice(0, this.lines.length - RING).length
      const more = Boolean(page.next) && page.lines.length === PAGE
      again = more ? 0 : page.over ? null : AGAIN_MS
      this.cursor = page.next ?? this.cursor
      this.over = page.over
      this.problem = ''
    } catch (error) {
      this.problem = (error as Error).message
      // A server that is away comes back; one that refuses will refuse again.
      again = error instanceof ApiError && !error.problem.retryable ? null : AFTER_TROUBLE_MS
    }
    this.reading = false
    this.version++
    this.signal.touch()
    if (again !== null && this.readers > 0) this.cancel = this.app.world.after(again, () => void this.read())
  }
}
