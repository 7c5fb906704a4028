/** A tab's side of the hub: records of one environment without a gap, and how fresh they are. */
import type { EventView } from '../api/types'
import { Store } from '../util/store'
import { realWorld } from './stream'
import { Hub, type Away, type FromHub, type ToHub } from './hub'

export type LinkState = 'connecting' | 'live' | 'stale' | 'signed-out' | 'refused' | 'offline'

export interface Link {
  readonly state: LinkState
  /** Local time when the link was last known to be live, in ms. */
  readonly since: number
  readonly detail: string
  /** Milliseconds from the server's record to this page, of the last batch. */
  readonly lagMs: number | null
  /** Since when the server can't read the environment's ledger, and why; null while it can. */
  readonly away: Away | null
}

export interface Metrics {
  /** The first and the last record taken, by sequence number. */
  first: number
  last: number
  records: number
  gaps: number
  duplicates: number
  batches: number
}

export interface Connection {
  send(message: ToHub): void
}

export type Connect = (receive: (message: FromHub) => void) => Connection

export interface FeedHandlers {
  records(records: readonly EventView[]): void
  /** Too much was missed: read anew; the feed goes on after `head`. */
  missed(head: number): void
}

export class Feed {
  readonly link = new Store<Link>({ state: 'connecting', since: 0, detail: '', lagMs: null, away: null })
  readonly metrics: Metrics = { first: 0, last: 0, records: 0, gaps: 0, duplicates: 0, batches: 0 }
  private readonly connection: Connection
  private environment = ''
  private last = 0
  private handlers: FeedHandlers | null = null
  /** Server clock minus ours, in ms. */
  skewMs = 0

  constructor(connect: Connect, private readonly base: string, private readonly now: () => number) {
    this.connection = connect((message) => this.receive(message))
  }

  watch(environment: string, since: number, token: string, handlers: FeedHandlers): void {
    this.environment = environment
    this.last = since
    this.handlers = handlers
    this.link.update((link) => ({ ...link, away: null }))
    this.connection.send({ type: 'watch', environment, since, token, base: this.base })
  }

  /** Whether what is shown is what is: the stream lives, and the server can read the ledger. */
  get isLive(): boolean {
    const { state, away } = this.link.getSnapshot()
    return state === 'live' && away === null
  }

  wake(): void {
    this.connection.send({ type: 'wake' })
  }

  stop(): void {
    this.handlers = null
    this.connection.send({ type: 'leave' })
  }

  private receive(message: FromHub): void {
    if (message.type === 'state') this.follow(message.state, message.detail)
    else if (message.type === 'hello') this.skewMs = message.skew * 1000
    else if (message.type === 'stopping') this.follow('waiting', 'the server is stopping')
    else if (message.environment !== this.environment) return
    else if (message.type === 'ledger') this.link.update((link) => ({ ...link, away: message.away }))
    else if (message.type === 'missed') {
      this.last = Math.max(this.last, message.head)
      this.handlers?.missed(message.head)
    } else this.take(message.records)
  }

  private take(records: readonly EventView[]): void {
    const fresh: EventView[] = []
    for (const record of records) {
      if (record.seq <= this.last) {
        this.metrics.duplicates++
        continue
      }
      if (record.seq !== this.last + 1) this.metrics.gaps++
      this.last = record.seq
      fresh.push(record)
    }
    if (!fresh.length) return
    this.metrics.records += fresh.length
    this.metrics.first ||= fresh[0]!.seq
    this.metrics.last = this.last
    this.metrics.batches++
    const now = this.now()
    this.link.update((link) => ({ ...link, since: now, lagMs: Math.max(0, now + this.skewMs - fresh[fresh.length - 1]!.wall * 1000) }))
    this.handlers?.records(fresh)
  }

  private follow(state: string, detail: string): void {
    const now = this.now()
    const of: Record<string, LinkState> = {
      connecting: 'connecting', live: 'live', waiting: 'stale', 'signed-out': 'signed-out', refused: 'refused', closed: 'offline',
    }
    const before = this.link.getSnapshot()
    let next = of[state] ?? 'stale'
    // A reconnection is still stale for who looks at it.
    if (next === 'connecting' && before.state === 'stale') next = 'stale'
    this.link.set({ ...before, state: next, detail, since: next === 'live' || before.state === 'live' ? now : before.since })
  }
}

/** The hub in a SharedWorker where there is one, else in this page. */
export function connectHub(workerUrl: () => string | URL): Connect {
  return (receive) => {
    if (typeof SharedWorker === 'undefined' || typeof navigator === 'undefined' || !navigator.locks) return connectHere(receive)
    const worker = new SharedWorker(workerUrl() as string, { type: 'module', name: 'chainfleet-hub' })
    worker.port.onmessage = ({ data }: MessageEvent<FromHub>) => receive(data)
    worker.port.start()
    const lock = `chainfleet-tab-${crypto.randomUUID()}`
    let announced = false
    void navigator.locks.request(lock, () => new Promise(() => undefined))
    return {
      send: (message) => {
        worker.port.postMessage(announced ? message : { ...message, lock })
        announced = true
      },
    }
  }
}

function connectHere(receive: (message: FromHub) => void): Connection {
  const hub = new Hub(realWorld)
  const port = { postMessage: receive }
  return { send: (message) => hub.receive(port, message) }
}
