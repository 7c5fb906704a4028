import { describe, expect, it } from 'vitest'
import { clusters, criticalPath, median, normalise, stragglers } from '../src/core/model/insight'
import { Matrix } from '../src/core/model/matrix'
import { differences, merge, put } from '../src/core/model/merge'
import { replay } from '../src/core/model/run'
import { event, events, plan, played, RUN } from './recorded'

describe('a recorded run', () => {
  it('ends as the ledger says', () => {
    const model = played()
    expect(model.verdict).toBe('succeeded')
    expect(model.counts.succeeded).toBe(204)
    expect(model.spans).toHaveLength(201)
    expect(model.spans.every((span) => span.ok && span.end !== null)).toBe(true)
  })

  it('is the same whether records come once, twice or from a snapshot on', () => {
    const once = played()
    const twice = played()
    for (const record of events.slice(400)) twice.apply(record)
    for (const key of ['counts', 'spans', 'verdict', 'verdicts', 'retries'] as const) expect(twice[key]).toEqual(once[key])
  })

  it('can be replayed to any record: states at each are those of a fold up to there', () => {
    for (const seq of [1, 77, 500, 900, events.at(-1)!.seq]) {
      const model = replay(RUN, 'dev', plan, events, seq)
      const expected = new Map<string, unknown>()
      for (const record of events) if (record.seq <= seq && record.event['type'] === 'StateChanged') expected.set(record.event['task'] as string, record.event['state'])
      for (const [task, state] of expected) expect(model.tasks.get(task)!.state).toBe(state)
      expect(Object.values(model.counts).reduce((a, b) => a + b)).toBe(204)
    }
  })

  it('refuses records of other runs', () => {
    const model = played(100)
    const before = model.version
    model.apply({ ...events[200]!, run: 'another' })
    expect(model.version).toBe(before)
  })

  it('is open again when a task is retried after the end', () => {
    const model = played()
    model.apply(event({ type: 'StateChanged', task: 'infrastructure/cluster/uksouth', state: 'ready' }))
    expect(model.verdict).toBeNull()
  })

  it('keeps what gates are told and by whom they are decided', () => {
    const gated = { ...plan, nodes: [...plan.nodes, { ...plan.nodes[0]!, id: 'besu/gate/wave-1', kind: 'gate' as const, region: null }] }
    const model = replay(RUN, 'dev', gated, events, 300)
    model.apply({ ...event({ approved: true, reason: '8 of 8 up', needs_person: true }), kind: 'note', subject: 'besu/gate/wave-1' })
    expect(model.gates.get('besu/gate/wave-1')).toMatchObject({ approved: null, needsPerson: true, evidence: '8 of 8 up' })
    model.apply(event({ type: 'GateDecided', task: 'besu/gate/wave-1', approved: true, by: 'ada', reason: 'fine' }))
    expect(model.gates.get('besu/gate/wave-1')).toMatchObject({ approved: true, by: 'ada', reason: 'fine' })
  })
})

describe('the matrix', () => {
  it('has a row per region and a column per step', () => {
    const matrix = new Matrix(played())
    expect(matrix.rows()).toHaveLength(24)
    expect(matrix.steps.map(({ key }) => key)).toEqual([
      'infrastructure/network', 'infrastructure/cluster', 'kubernetes/base', 'besu/config', 'besu/start', 'monitoring/install', 'verification/region',
    ])
    expect(matrix.rows().every((row) => row.cells.every((cell) => cell.state === 'succeeded' && cell.done === cell.total))).toBe(true)
  })

  it('keeps rows that did not change, and every other cell of one that did', () => {
    const model = played(500)
    const matrix = new Matrix(model)
    const before = matrix.rows()
    expect(matrix.rows()).toBe(before)
    model.apply(event({ type: 'StateChanged', task: 'verification/region/uksouth', state: 'failed' }))
    const after = matrix.rows()
    const changed = after.filter((row, i) => row !== before[i])
    expect(changed.map((row) => row.region)).toEqual(['uksouth'])
    const old = before.find((row) => row.region === 'uksouth')!
    expect(changed[0]!.cells.filter((cell, i) => cell !== old.cells[i]).map(({ step }) => step)).toEqual(['verification/region'])
  })

  it('shows the most telling of several states, and a half-done cell as under way', () => {
    const model = played(1)
    const cell = () => new Matrix(model).rows().find((row) => row.region === 'uksouth')!.cells.find(({ step }) => step === 'besu/start')!
    model.apply(event({ type: 'StateChanged', task: 'besu/start/uksouth-0', state: 'succeeded' }))
    expect(cell()).toMatchObject({ state: 'ready', done: 1, total: 2 })
    model.apply(event({ type: 'StateChanged', task: 'besu/start/uksouth-1', state: 'failed' }))
    expect(cell().state).toBe('failed')
  })
})

describe('what stands out', () => {
  it('is one cause for the same error in other regions', () => {
    const model = played(300)
    for (const region of ['uksouth', 'francecentral', 'japanwest']) {
      const task = `infrastructure/cluster/${region}`
      model.apply(event({ type: 'StartAttempt', task, attempt: 9 }))
      model.apply(event({ type: 'AttemptFailed', task, attempt: 9, error_class: 'quota', message: `${region}: 12 of 10 vCPU (0x${region.length}abcdef)` }))
      model.apply(event({ type: 'StateChanged', task, state: region === 'japanwest' ? 'backing-off' : 'failed' }))
    }
    model.apply(event({ type: 'StateChanged', task: 'infrastructure/cluster/spaincentral', state: 'failed', reason: 'something else' }))
    const found = clusters(model)
    expect(found.map((cluster) => [cluster.errorClass, cluster.tasks.length, cluster.standing])).toEqual([['quota', 3, true], ['', 1, true]])
    expect(found[0]!.regions).toEqual(['uksouth', 'francecentral', 'japanwest'])
  })

  it('normalises names, numbers, hashes and ids, nothing else', () => {
    expect(normalise('uksouth: 12 of 10.5 left, 0xdeadbeef, 5b0c69f3-e565-446b-bc50-db1450b10268', ['uksouth'])).toBe('·: # of # left, ·, ·')
  })

  it('finds the slow one among peers, and nobody among equals', () => {
    const model = played(1)
    const regions = model.rows.map((row) => row.region!)
    regions.forEach((region, i) => {
      const task = `infrastructure/cluster/${region}`
      model.apply(event({ type: 'StartAttempt', task, attempt: 1 }, 0))
      if (i > 0) model.apply(event({ type: 'AttemptSucceeded', task, attempt: 1 }, 5 + (i % 5) / 10))
    })
    expect(stragglers(model, 6)).toEqual([])
    const [slow, ...others] = stragglers(model, 20)
    expect(others).toEqual([])
    expect(slow).toMatchObject({ region: regions[0], running: true, peers: 23 })
    expect(slow!.factor).toBeCloseTo(20 / 5.2, 1)
  })

  it('is the chain that determined the end', () => {
    const chain = criticalPath(played(), 20)
    expect(chain.at(-1)!.task).toBe('verification/network/network')
    expect(chain[0]!.start).toBeLessThan(0.1)
    for (let i = 1; i < chain.length; i++) expect(chain[i - 1]!.end!).toBeLessThanOrEqual(chain[i]!.start + 1e-3)
  })

  it('takes the middle of an even number as their mean', () => expect([median([1, 9, 3]), median([1, 9, 3, 5])]).toEqual([3, 4]))
})

describe('merging two people’s changes', () => {
  const base = { name: 'a', network: { period: 5, validators: 2 }, waves: [1, 2] }

  it('keeps both where they touch different fields', () => {
    const mine = put(base, 'network.period', 7)
    const theirs = put(base, 'network.validators', 4)
    expect(differences(base, mine, theirs).map(({ path, clash }) => [path, clash])).toEqual([['network.period', false], ['network.validators', false]])
    expect(merge(base, mine, theirs, () => 'mine')).toEqual({ ...base, network: { period: 7, validators: 4 } })
  })

  it('asks where both changed one field, and only there', () => {
    const mine = put(put(base, 'network.period', 7), 'waves', [3])
    const theirs = put(put(base, 'network.period', 9), 'name', undefined)
    expect(differences(base, mine, theirs).filter(({ clash }) => clash).map(({ path }) => path)).toEqual(['network.period'])
    expect(merge(base, mine, theirs, () => 'theirs')).toEqual({ network: { period: 9, validators: 2 }, waves: [3] })
    expect(merge(base, mine, theirs, () => 'mine')).toEqual({ network: { period: 7, validators: 2 }, waves: [3] })
  })

  it('sees no difference in the order of keys or in equal changes', () => {
    const mine = { ...base, network: { validators: 2, period: 8 } }
    const theirs = { ...base, network: { period: 8, validators: 2 } }
    expect(differences(base, mine, theirs).every(({ clash }) => !clash)).toBe(true)
  })
})
