import { describe, expect, it, vi } from 'vitest'
import type { EventView } from '../src/core/api/types'
import { Feed, type Connect } from '../src/core/live/feed'
import { Hub, type FromHub, type Port } from '../src/core/live/hub'
import { FrameParser } from '../src/core/live/parser'
import { backoffMs, EventStream, type StreamState } from '../src/core/live/stream'

const record = (seq: number, environment = 'dev'): EventView => ({ environment, seq, run: 'r', at: seq, wall: seq, kind: 'record', subject: '', event: { type: 'TimePassed' } })
const batch = (...records: EventView[]): string => `event: batch\nid: ${records.at(-1)!.seq}\ndata: ${JSON.stringify(records)}\n\n`
const hello = 'event: hello\ndata: {"epoch":"e","now":1}\n\n'

describe('the parser', () => {
  const text = '\ufeff: ping\r\nid: 7\r\nevent: batch\rdata: a\ndata: b\r\n\r\ndata\n\nid: x\0y\ndata:  two\n\n'
  const whole = new FrameParser().feed(text)

  it('reads CR, LF and CRLF, comments, a byte order mark, several data lines', () => {
    expect(whole).toEqual([{ id: '7', event: 'batch', data: 'a\nb' }, { id: '7', event: 'message', data: '' }, { id: '7', event: 'message', data: ' two' }])
  })

  it('gives the same frames wherever the stream is cut, in two or letter by letter', () => {
    for (let cut = 0; cut <= text.length; cut++) {
      const parser = new FrameParser()
      expect([...parser.feed(text.slice(0, cut)), ...parser.feed(text.slice(cut))]).toEqual(whole)
    }
    const parser = new FrameParser()
    expect([...text].flatMap((letter) => parser.feed(letter))).toEqual(whole)
  })
})

function body(...chunks: string[]): Response {
  return new Response(new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk))
      controller.close()
    },
  }))
}

interface Wired {
  stream: EventStream
  states: [StreamState, string][]
  asked: string[]
  timers: (() => void)[]
}

function wired(answers: (() => Response | Promise<Response>)[]): Wired {
  const asked: string[] = []
  const states: [StreamState, string][] = []
  const timers: (() => void)[] = []
  const stream = new EventStream((since) => since, () => 'secret', '5', { frame: () => undefined, state: (...state) => states.push(state) }, {
    fetch: ((url: string, init: RequestInit) => {
      asked.push(`${url} ${(init.headers as Record<string, string>)['Authorization']}`)
      return Promise.resolve(answers.shift()?.() ?? new Promise(() => undefined))
    }) as typeof fetch,
    random: () => 1,
    now: () => 0,
    setTimeout: (callback, ms) => (ms < 40_000 ? timers.push(callback) : 0),
    clearTimeout: () => undefined,
  })
  return { stream, states, asked, timers }
}

describe('the stream', () => {
  it('resumes from the last id, with the token in a header', async () => {
    const { stream, asked, timers } = wired([() => body(hello, batch(record(6), record(7)))])
    stream.open()
    await vi.waitFor(() => expect(timers).toHaveLength(1))
    timers[0]!()
    expect(asked).toEqual(['5 Bearer secret', '7 Bearer secret'])
  })

  it.each([400, 401, 403, 404, 410])('asks once and stops on %i', async (status) => {
    const { stream, states, asked, timers } = wired([() => new Response('', { status })])
    stream.open()
    await vi.waitFor(() => expect(states.at(-1)![0]).toBe(status === 401 ? 'signed-out' : 'refused'))
    expect([asked.length, timers.length]).toEqual([1, 0])
  })

  it('backs off from 1 to 30 s with full jitter', () => {
    expect([0, 1, 2, 9].map((attempt) => backoffMs(attempt, 1))).toEqual([1000, 2000, 4000, 30_000])
    expect(backoffMs(3, 0)).toBe(0)
  })
})

function hubWith(): { hub: Hub; push: (text: string) => void; asked: string[] } {
  const asked: string[] = []
  let clock = 0
  let controller: ReadableStreamDefaultController<Uint8Array>
  const hub = new Hub({
    fetch: ((url: string) => {
      asked.push(url)
      return Promise.resolve(new Response(new ReadableStream({ start: (c) => void (controller = c) })))
    }) as typeof fetch,
    random: () => 0, now: () => (clock += 1000), setTimeout: () => 0, clearTimeout: () => undefined,
  })
  return { hub, asked, push: (text) => controller.enqueue(new TextEncoder().encode(text)) }
}

function port(): Port & { got: FromHub[]; seqs: () => number[] } {
  const got: FromHub[] = []
  return { got, postMessage: (message) => void got.push(message), seqs: () => got.flatMap((message) => (message.type === 'records' ? message.records.map(({ seq }) => seq) : [])) }
}

describe('the hub', () => {
  const watch = (since: number, environment = 'dev') => ({ type: 'watch' as const, environment, since, token: 't', base: '' })

  it('serves many tabs from one connection; a late one catches up from the ring', async () => {
    const { hub, push, asked } = hubWith()
    const [a, b] = [port(), port()]
    hub.receive(a, watch(0))
    push(hello + batch(record(1), record(2)))
    await vi.waitFor(() => expect(a.seqs()).toEqual([1, 2]))
    hub.receive(b, watch(1))
    expect(b.seqs()).toEqual([2])
    push(batch(record(3)))
    await vi.waitFor(() => expect([a.seqs(), b.seqs()]).toEqual([[1, 2, 3], [2, 3]]))
    expect(asked).toEqual(['/api/v1/events?environment=dev&since=0'])
    // A greeting that is handed on later still tells the same difference of clocks.
    const greetings = [a, b].map(({ got }) => got.find(({ type }) => type === 'hello'))
    expect(greetings).toEqual([{ type: 'hello', epoch: 'e', skew: 0 }, { type: 'hello', epoch: 'e', skew: 0 }])
  })

  it('says that too much was missed rather than leave a gap', async () => {
    const { hub, push } = hubWith()
    const [a, late] = [port(), port()]
    hub.receive(a, watch(10))
    push(batch(record(11)))
    await vi.waitFor(() => expect(a.seqs()).toEqual([11]))
    hub.receive(late, watch(3))
    expect(late.got).toContainEqual({ type: 'missed', environment: 'dev', head: 11 })
    push('event: snapshot\nid: 90\ndata: {"reason":"backlog","heads":{"dev":90}}\n\n')
    await vi.waitFor(() => expect(a.got).toContainEqual({ type: 'missed', environment: 'dev', head: 90 }))
  })

  it('says to all tabs, and to who comes later, that a ledger is away, and forgets it with the stream', async () => {
    const { hub, push } = hubWith()
    const [a, late] = [port(), port()]
    const away = { type: 'ledger', environment: 'dev', away: { since: 7, detail: 'refused' } }
    hub.receive(a, watch(0))
    push(hello)
    push('event: ledger\ndata: {"environment":"dev","away_since":7,"detail":"refused"}\n\n')
    await vi.waitFor(() => expect(a.got).toContainEqual(away))
    hub.receive(late, watch(0))
    expect(late.got).toContainEqual(away)
    push(hello)
    const back = { type: 'ledger', environment: 'dev', away: null }
    await vi.waitFor(() => expect([a.got.at(-1), late.got.at(-1)]).toEqual([back, back]))
  })

  it('watches several environments in one stream and leaves those that nobody looks at', async () => {
    const { hub, asked } = hubWith()
    const [a, b] = [port(), port()]
    hub.receive(a, watch(1))
    hub.receive(b, watch(2, 'prod'))
    hub.receive(b, watch(3, 'lab'))
    expect(asked.map((url) => decodeURIComponent(url.split('?')[1]!))).toEqual(['environment=dev&since=1', 'environment=dev&environment=prod&since=dev:1,prod:2', 'environment=dev&environment=lab&since=dev:1,lab:3'])
  })
})

describe('the feed', () => {
  function feed(): { feed: Feed; tell: (message: FromHub) => void; taken: number[] } {
    let tell: (message: FromHub) => void = () => undefined
    const connect: Connect = (receive) => {
      tell = receive
      return { send: () => undefined }
    }
    const taken: number[] = []
    const made = new Feed(connect, '', () => 5000)
    made.watch('dev', 2, 't', { records: (records) => taken.push(...records.map(({ seq }) => seq)), missed: () => undefined })
    return { feed: made, tell: (message) => tell(message), taken }
  }

  it('drops what it has, counts gaps, and measures the lag by the server’s clock', () => {
    const { feed: made, tell, taken } = feed()
    tell({ type: 'hello', epoch: 'e', skew: -1 })
    tell({ type: 'records', environment: 'dev', records: [record(1), record(2), record(3)] })
    tell({ type: 'records', environment: 'dev', records: [record(5)] })
    expect(taken).toEqual([3, 5])
    expect(made.metrics).toEqual({ first: 3, last: 5, records: 2, gaps: 1, duplicates: 2, batches: 2 })
    expect(made.link.getSnapshot().lagMs).toBe(0)
  })

  it('is not live while the ledger is away, and forgets that with the environment', () => {
    const { feed: made, tell } = feed()
    tell({ type: 'state', state: 'live', detail: '' })
    tell({ type: 'ledger', environment: 'prod', away: { since: 7, detail: 'of another one' } })
    expect(made.isLive).toBe(true)
    tell({ type: 'ledger', environment: 'dev', away: { since: 7, detail: 'refused' } })
    expect([made.isLive, made.link.getSnapshot().away]).toEqual([false, { since: 7, detail: 'refused' }])
    tell({ type: 'ledger', environment: 'dev', away: null })
    expect(made.isLive).toBe(true)
    tell({ type: 'ledger', environment: 'dev', away: { since: 9, detail: 'refused' } })
    made.watch('prod', 1, 't', { records: () => undefined, missed: () => undefined })
    expect(made.isLive).toBe(true)
  })

  it('stays stale while it reconnects, from the moment it was last live', () => {
    const { feed: made, tell } = feed()
    tell({ type: 'state', state: 'live', detail: '' })
    tell({ type: 'state', state: 'waiting', detail: 'gone' })
    tell({ type: 'state', state: 'connecting', detail: '' })
    expect(made.link.getSnapshot()).toMatchObject({ state: 'stale', since: 5000 })
  })
})
