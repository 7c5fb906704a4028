/** The Gantt chart's geometry: lanes per region, bars stacked where they overlap, idle gaps collapsed, ticks. Pure. */
import type { Span } from '../model/run'

export interface Bar {
  readonly span: Span
  readonly lane: number
  readonly depth: number
  readonly x: number
  readonly width: number
}

export interface Lane {
  readonly region: string | null
  readonly top: number
  readonly depth: number
}

export interface Gap {
  readonly x: number
  readonly width: number
  readonly seconds: number
}

export interface Tick {
  readonly x: number
  readonly at: number
}

export interface GanttLayout {
  readonly bars: readonly Bar[]
  readonly lanes: readonly Lane[]
  readonly gaps: readonly Gap[]
  readonly ticks: readonly Tick[]
  readonly rows: number
  readonly scale: TimeScale
}

/** Seconds of the run's axis to places; idle stretches are drawn short. */
export interface TimeScale {
  x(at: number): number
  at(x: number): number
}

const GAP_WIDTH = 18

/** Stretches in which nothing ran, longer than `least` seconds. */
export function idleGaps(spans: readonly Span[], until: number, least: number): { from: number; to: number }[] {
  const gaps: { from: number; to: number }[] = []
  let busy = 0
  for (const span of [...spans].sort((a, b) => a.start - b.start)) {
    if (span.start - busy > least) gaps.push({ from: busy, to: span.start })
    busy = Math.max(busy, span.end ?? until)
  }
  return gaps
}

export function timeScale(until: number, width: number, gaps: readonly { from: number; to: number }[]): TimeScale {
  const idle = gaps.reduce((sum, gap) => sum + gap.to - gap.from, 0)
  const perSecond = Math.max(1e-9, (width - gaps.length * GAP_WIDTH) / Math.max(until - idle, 1e-9))
  const segments: { at: number; x: number; length: number; rate: number }[] = []
  let at = 0
  let x = 0
  const push = (length: number, rate: number): void => {
    segments.push({ at, x, length, rate })
    at += length
    x += length * rate
  }
  for (const gap of gaps) {
    push(gap.from - at, perSecond)
    push(gap.to - gap.from, GAP_WIDTH / (gap.to - gap.from))
  }
  push(Math.max(until - at, 1e-9), perSecond)
  const find = <K extends 'at' | 'x'>(key: K, value: number): (typeof segments)[number] => {
    let found = segments[0]!
    for (const segment of segments) if (segment[key] <= value) found = segment
    return found
  }
  return {
    x: (value) => {
      const segment = find('at', value)
      return segment.x + (value - segment.at) * segment.rate
    },
    at: (value) => {
      const segment = find('x', value)
      return segment.rate ? segment.at + (value - segment.x) / segment.rate : segment.at
    },
  }
}

const NICE = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400]

export function ticksFor(scale: TimeScale, until: number, width: number, apart = 90): Tick[] {
  const step = NICE.find((seconds) => (width / Math.max(until, 1e-9)) * seconds >= apart) ?? 86400
  const ticks: Tick[] = []
  let last = -Infinity
  for (let at = 0; at <= until && ticks.length < 200; at += step) {
    const x = scale.x(at)
    if (x - last < apart * 0.6) continue
    ticks.push({ x, at })
    last = x
  }
  return ticks
}

export function layoutGantt(
  spans: readonly Span[], regionOf: (task: string) => string | null, regions: readonly (string | null)[], until: number, width: number,
): GanttLayout {
  const gaps = idleGaps(spans, until, Math.max(until * 0.08, 5))
  const scale = timeScale(until, width, gaps)
  const byRegion = new Map<string | null, Span[]>(regions.map((region) => [region, []]))
  for (const span of spans) byRegion.get(regionOf(span.task))?.push(span)
  const bars: Bar[] = []
  const lanes: Lane[] = []
  let top = 0
  for (const region of regions) {
    const free: number[] = []
    for (const span of byRegion.get(region)!.sort((a, b) => a.start - b.start || a.task.localeCompare(b.task))) {
      let depth = free.findIndex((end) => end <= span.start + 1e-9)
      if (depth < 0) depth = free.length
      free[depth] = span.end ?? until
      const x = scale.x(span.start)
      bars.push({ span, lane: lanes.length, depth, x, width: Math.max(2, scale.x(span.end ?? until) - x) })
    }
    lanes.push({ region, top, depth: Math.max(1, free.length) })
    top += Math.max(1, free.length)
  }
  return {
    bars, lanes, rows: top, scale, ticks: ticksFor(scale, until, width),
    gaps: gaps.map((gap) => ({ x: scale.x(gap.from), width: scale.x(gap.to) - scale.x(gap.from), seconds: gap.to - gap.from })),
  }
}
