import { geoEqualEarth } from 'd3-geo'
import { describe, expect, it } from 'vitest'
import { localTime, MAP_CENTRE, MAP_SCALE, nightPath, place, subsolar } from '../src/core/draw/earth'
import { idleGaps, layoutGantt, timeScale } from '../src/core/draw/gantt'
import { parseSgr, settle } from '../src/core/draw/sgr'
import { stepGraph } from '../src/core/draw/steps'
import { readable } from '../src/core/app/logs'
import { plan, played } from './recorded'

describe('the Gantt chart', () => {
  const model = played()
  const regions = [null, ...model.rows.map((row) => row.region)]
  const layout = layoutGantt(model.spans, (task) => model.tasks.get(task)!.node.region ?? null, regions, model.at, 1000)

  it('has every attempt, in its lane, none over another', () => {
    expect(layout.bars).toHaveLength(201)
    const rows = new Map<string, typeof layout.bars[number][]>()
    for (const bar of layout.bars) rows.set(`${bar.lane} ${bar.depth}`, [...(rows.get(`${bar.lane} ${bar.depth}`) ?? []), bar])
    for (const bars of rows.values()) {
      bars.sort((a, b) => a.span.start - b.span.start)
      for (let i = 1; i < bars.length; i++) expect(bars[i - 1]!.span.end!).toBeLessThanOrEqual(bars[i]!.span.start + 1e-9)
    }
  })

  it('draws idle stretches short and finds its way back from a place to a time', () => {
    const gaps = idleGaps([{ ...model.spans[0]!, start: 0, end: 10 }, { ...model.spans[0]!, start: 900, end: 910 }], 910, 60)
    expect(gaps).toEqual([{ from: 10, to: 900 }])
    const scale = timeScale(910, 400, gaps)
    expect(scale.x(910)).toBeCloseTo(400)
    expect(scale.x(900) - scale.x(10)).toBeCloseTo(18)
    for (const at of [0, 5, 10, 400, 905]) expect(scale.at(scale.x(at))).toBeCloseTo(at)
  })
})

describe('the graph of steps', () => {
  const graph = stepGraph(plan.nodes)

  it('puts every step right of all that it needs', () => {
    expect(graph.nodes.length).toBeLessThan(30)
    expect(graph.nodes.reduce((sum, node) => sum + node.tasks.length, 0)).toBe(204)
    for (const [from, to] of graph.edges) expect(graph.nodes[from]!.layer).toBeLessThan(graph.nodes[to]!.layer)
  })

  it('says each need once: an edge that a longer path implies is left out', () => {
    const names = graph.edges.map(([from, to]) => `${graph.nodes[from]!.key} ${graph.nodes[to]!.key}`)
    expect(names).toContain('infrastructure/network infrastructure/cluster')
    expect(names).not.toContain('infrastructure/network kubernetes/base')
  })
})

describe('the map', () => {
  it('puts regions where the stored outline of the land has them', () => {
    const projection = geoEqualEarth().scale(MAP_SCALE).translate([MAP_CENTRE[0], MAP_CENTRE[1]])
    for (const [lat, lon] of [[53.35, -6.26], [-33.86, 151.21], [0, 0], [70, -179]] as const) {
      const [x, y] = projection([lon, lat])!
      expect(place(lat, lon)[0]).toBeCloseTo(x, 3)
      expect(place(lat, lon)[1]).toBeCloseTo(y, 3)
    }
  })

  it('has the sun in the zenith where almanacs have it', () => {
    const [summer] = subsolar(Date.UTC(2026, 5, 21, 12))
    expect(summer).toBeCloseTo(23.4, 0)
    const [, noon] = subsolar(Date.UTC(2026, 3, 15, 12))
    expect(Math.abs(noon)).toBeLessThan(1.5)
    expect(nightPath(Date.UTC(2026, 2, 20, 14, 46))).not.toContain('NaN')
  })

  it('tells local time and business hours of a zone', () => {
    const monday = Date.UTC(2026, 10, 23, 15, 30)
    expect(localTime(monday, 'Europe/Dublin', 'en-GB')).toMatchObject({ text: '15:30', business: true })
    expect(localTime(monday, 'Asia/Tokyo', 'en-GB')).toMatchObject({ text: '00:30', business: false })
    expect(localTime(Date.UTC(2026, 10, 22, 15), 'Europe/Dublin', 'en-GB')!.business).toBe(false)
    expect(localTime(monday, '', 'en')).toBeNull()
  })
})

describe('log lines', () => {
  it('keep colours as classes and drop every other escape', () => {
    expect(parseSgr('\x1b[1;31mbad\x1b[0m \x1b[2Kok\x1b]8;;http://x\x07link\x1b]8;;\x07')).toEqual([
      { text: 'bad', classes: 'sgr-bold sgr-red' }, { text: ' ', classes: '' }, { text: 'ok', classes: '' }, { text: 'link', classes: '' },
    ])
  })

  it('show the end of a progress bar, and Terraform’s message instead of its JSON', () => {
    expect(settle('10 %\r50 %\rdone\r')).toBe('done')
    const text = '16:04:08.49 {"@level":"info","@message":"cluster: Creating...","type":"apply_start"}'
    expect(readable({ task: 't', attempt: 1, number: 3, text })).toEqual({ number: 3, time: '16:04:08', level: 'info', text: 'cluster: Creating...' })
    expect(readable({ task: 't', attempt: 1, number: 4, text: '16:04:08 {"@level":"in' }).text).toBe('{"@level":"in')
  })
})
