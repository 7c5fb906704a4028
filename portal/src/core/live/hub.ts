/**
 * One stream for all tabs: browsers allow six connections to a server, and one page per tab would use them up.
 *
 * The hub lives in a SharedWorker (or, where there is none, in the page). Tabs say which environment they watch and
 * from which record on; the hub keeps one connection for all of them and a ring of recent records to catch up from.
 */
import type { EventView } from '../api/types'
import type { Frame } from './parser'
import { EventStream, type StreamState, type Surroundings } from './stream'

export type ToHub =
  | { type: 'watch'; environment: string; since: number; token: string; base: string }
  | { type: 'token'; token: string }
  | { type: 'wake' }
  | { type: 'leave' }

export type FromHub =
  | { type: 'state'; state: StreamState; detail: string }
  | { type: 'hello'; epoch: string; skew: number }
  | { type: 'records'; environment: string; records: EventView[] }
  | { type: 'missed'; environment: string; head: number }
  | { type: 'ledger'; environment: string; away: Away | null }
  | { type: 'stopping' }

/** Why the server can't read a ledger, and since when (its clock, in seconds). */
export interface Away {
  readonly since: number
  readonly detail: string
}

export interface Port {
  postMessage(message: FromHub): void
}

const RING = 20_000

interface Watched {
  head: number
  ring: EventView[]
  away: Away | null
  ports: Map<Port, number>
}

export class Hub {
  private readonly watched = new Map<string, Watched>()
  private stream: EventStream | null = null
  private state: { state: StreamState; detail: string } = { state: 'connecting', detail: '' }
  /** The server's clock minus ours at the last greeting, in seconds. */
  private hello: { epoch: string; skew: number } | null = null
  private token = ''
  private base = ''

  constructor(private readonly world: Surroundings) {}

  receive(port: Port, message: ToHub): void {
    if (message.type === 'watch') this.watch(port, message)
    else if (message.type === 'token') this.renew(message.token)
    else if (message.type === 'wake') this.stream?.wake()
    else this.leave(port)
  }

  private watch(port: Port, { environment, since, token, base }: ToHub & { type: 'watch' }): void {
    for (const [name, other] of this.watched) if (name !== environment) other.ports.delete(port)
    const fresh = token !== this.token
    this.token = token
    this.base = base
    const known = this.watched.get(environment)
    if (!known) {
      this.watched.set(environment, { head: since, ring: [], away: null, ports: new Map([[port, since]]) })
      this.connect()
      return
    }
    known.ports.set(port, since)
    port.postMessage({ type: 'state', ...this.state })
    if (this.hello) port.postMessage({ type: 'hello', ...this.hello })
    port.postMessage({ type: 'ledger', environment, away: known.away })
    if (fresh && (this.state.state === 'signed-out' || this.state.state === 'refused')) this.connect()
    if (since >= known.head) return
    const oldest = known.ring[0]?.seq ?? known.head + 1
    if (since + 1 < oldest) port.postMessage({ type: 'missed', environment, head: known.head })
    else port.postMessage({ type: 'records', environment, records: known.ring.filter((record) => record.seq > since) })
  }

  private renew(token: string): void {
    if (token === this.token) return
    this.token = token
    if (this.watched.size) this.connect()
  }

  private leave(port: Port): void {
    for (const [name, watched] of this.watched) {
      watched.ports.delete(port)
      if (watched.ports.size === 0) this.watched.delete(name)
    }
    if (this.watched.size === 0) {
      this.stream?.close()
      this.stream = null
    }
  }

  private connect(): void {
    for (const [name, { ports }] of this.watched) if (ports.size === 0) this.watched.delete(name)
    this.stream?.close()
    const query = [...this.watched.keys()].map((name) => `environment=${encodeURIComponent(name)}`).join('&')
    const heads = [...this.watched].map(([name, { head }]) => `${name}:${head}`)
    const since = this.watched.size === 1 ? String([...this.watched.values()][0]!.head) : heads.join(',')
    const stream: EventStream = new EventStream(
      (id) => `${this.base}/api/v1/events?${query}&since=${encodeURIComponent(id)}`,
      () => this.token,
      since,
      {
        frame: (frame) => this.stream === stream && this.frame(frame),
        state: (state, detail) => {
          if (this.stream !== stream || state === 'closed') return
          this.state = { state, detail }
          this.all({ type: 'state', state, detail })
        },
      },
      this.world,
    )
    this.stream = stream
    stream.open()
  }

  private frame(frame: Frame): void {
    if (frame.event === 'hello') {
      const { epoch, now } = JSON.parse(frame.data) as { epoch: string; now: number }
      this.hello = { epoch, skew: now - this.world.now() / 1000 }
      this.all({ type: 'hello', ...this.hello })
      // A new stream says after its greeting which ledgers are away.
      for (const environment of this.watched.keys()) this.stands(environment, null)
    } else if (frame.event === 'ledger') {
      const { environment, away_since, detail } = JSON.parse(frame.data) as { environment: string; away_since: number | null; detail: string }
      this.stands(environment, away_since === null ? null : { since: away_since, detail })
    } else if (frame.event === 'batch') {
      this.batch(JSON.parse(frame.data) as EventView[])
    } else if (frame.event === 'snapshot') {
      const { heads } = JSON.parse(frame.data) as { heads: Record<string, number> }
      for (const [environment, head] of Object.entries(heads)) {
        const watched = this.watched.get(environment)
        if (!watched) continue
        watched.head = head
        watched.ring = []
        for (const port of watched.ports.keys()) port.postMessage({ type: 'missed', environment, head })
      }
    } else if (frame.event === 'server-stopping') {
      this.all({ type: 'stopping' })
    }
  }

  private stands(environment: string, away: Away | null): void {
    const watched = this.watched.get(environment)
    if (!watched || (watched.away === null && away === null)) return
    watched.away = away
    for (const port of watched.ports.keys()) port.postMessage({ type: 'ledger', environment, away })
  }

  private batch(records: EventView[]): void {
    const groups = new Map<string, EventView[]>()
    for (const record of records) {
      const group = groups.get(record.environment)
      if (group) group.push(record)
      else groups.set(record.environment, [record])
    }
    for (const [environment, group] of groups) {
      const watched = this.watched.get(environment)
      if (!watched) continue
      const fresh = group.filter((record) => record.seq > watched.head)
      if (!fresh.length) continue
      watched.head = fresh[fresh.length - 1]!.seq
      watched.ring.push(...fresh)
      if (watched.ring.length > RING * 1.2) watched.ring.splice(0, watched.ring.length - RING)
      for (const [port, since] of watched.ports) {
        const wanted = since < watched.head ? fresh.filter((record) => record.seq > since) : []
        if (wanted.length) port.postMessage({ type: 'records', environment, records: wanted })
      }
    }
  }

  private all(message: FromHub): void {
    const ports = new Set<Port>()
    for (const watched of this.watched.values()) for (const port of watched.ports.keys()) ports.add(port)
    for (const port of ports) port.postMessage(message)
  }
}
