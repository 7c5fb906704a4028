/** The Gantt chart: a lane per region, attempts as bars, the critical path outlined, local business hours behind. */
import { localTime } from '../draw/earth'
import { layoutGantt, type Bar, type GanttLayout } from '../draw/gantt'
import type { Words } from '../i18n'
import type { RunModel, Span } from '../model/run'
import { moveInGrid } from '../view/dom'
import type { Mount, PanelContext } from './contract'
import { html, svg, throttled } from './dom'

export interface GanttInput {
  readonly model: RunModel
  readonly version: number
  readonly now: number
  readonly began: number
  readonly critical: readonly Span[]
  readonly words: Words
  readonly selected: string
  readonly zoom: number
  readonly zones: ReadonlyMap<string, string>
  readonly names: ReadonlyMap<string, string>
}

const ROW = 18
const PAD = 6
const HEAD = 26
const MOST_BARS = 4000
const REDRAW_MS = 250

export const mount: Mount<GanttInput> = (el, ctx: PanelContext<GanttInput>) => {
  const names = html('div', { class: 'gantt-names', 'aria-hidden': 'true' })
  const scroller = html('div', { class: 'gantt-scroll' })
  const note = html('p', { class: 'gantt-note' })
  const root = html('div', { class: 'gantt' }, names, scroller)
  el.replaceChildren(root, note)
  let signature = ''
  const draw = (): void => {
    const input = ctx.input.getSnapshot()
    const width = Math.max(320, scroller.clientWidth) * input.zoom
    const now = [width, input.version, input.selected, input.model.run, input.words.language, input.model.verdict ? 0 : Math.round(input.now * 2)].join()
    if (now === signature) return
    signature = now
    const focused = (document.activeElement as HTMLElement | null)?.dataset?.['key']
    const { chart, lanes } = chartOf(input, width, ctx)
    scroller.replaceChildren(chart)
    names.replaceChildren(...lanes)
    note.textContent = input.model.spans.length > MOST_BARS ? `${MOST_BARS} / ${input.model.spans.length}` : ''
    if (focused) scroller.querySelector<SVGElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus()
  }
  const later = throttled(draw, REDRAW_MS)
  const observer = new ResizeObserver(() => later.ask())
  observer.observe(scroller)
  draw()
  const off = ctx.input.subscribe(() => later.ask())
  return () => {
    off()
    later.stop()
    observer.disconnect()
  }
}

function chartOf(input: GanttInput, width: number, ctx: PanelContext<GanttInput>): { chart: SVGElement; lanes: HTMLElement[] } {
  const { model } = input
  const regions = [...(model.network.tasks.length ? [null] : []), ...model.rows.map((row) => row.region)]
  const spans = model.spans.length > MOST_BARS ? longest(model.spans, input.now) : model.spans
  const layout = layoutGantt(spans, (task) => model.tasks.get(task)?.node.region ?? null, regions, Math.max(input.now, 1e-3), width)
  const top = (lane: number): number => HEAD + layout.lanes[lane]!.top * ROW + lane * PAD
  const height = HEAD + layout.rows * ROW + layout.lanes.length * PAD
  const chart = svg('svg', { class: 'gantt-chart', width, height, role: 'grid', 'aria-label': ctx.label, 'aria-rowcount': layout.lanes.length })
  chart.append(background(input, layout, top, width, height))
  const critical = new Set(input.critical.map((span) => `${span.task} ${span.attempt}`))
  const perLane = new Map<number, Bar[]>()
  for (const bar of layout.bars) perLane.set(bar.lane, [...(perLane.get(bar.lane) ?? []), bar])
  let first = true
  layout.lanes.forEach((lane, index) => {
    const bars = perLane.get(index) ?? []
    if (!bars.length) return
    const name = lane.region ?? input.words.t('network')
    const row = svg('g', { role: 'row', 'aria-label': name })
    for (const bar of bars) {
      row.append(barOf(input, bar, top(index) + bar.depth * ROW, critical, first))
      first = false
    }
    chart.append(row)
  })
  chart.append(thread(input, layout, top))
  chart.addEventListener('keydown', (event) => moveInGrid(event))
  chart.addEventListener('click', (event) => {
    const key = (event.target as Element).closest<SVGElement>('[data-task]')?.dataset['task']
    if (key) ctx.dispatch({ do: 'query', set: { task: key } })
  })
  const lanes = layout.lanes.map((lane, index) => {
    const name = lane.region === null ? input.words.t('network') : (input.names.get(lane.region) ?? lane.region)
    const zone = input.zones.get(lane.region ?? '') ?? ''
    const local = zone ? localTime((input.began + input.now) * 1000, zone, input.words.locale) : null
    const label = html('div', { class: 'gantt-name' }, html('span', {}, name), ...(local ? [html('span', { class: local.business ? 'local business' : 'local' }, local.text)] : []))
    label.style.top = `${top(index)}px`
    label.style.height = `${lane.depth * ROW}px`
    return label
  })
  return { chart, lanes }
}

const longest = (spans: readonly Span[], now: number): Span[] =>
  [...spans].sort((a, b) => (b.end ?? now) - b.start - ((a.end ?? now) - a.start)).slice(0, MOST_BARS)

function background(input: GanttInput, layout: GanttLayout, top: (lane: number) => number, width: number, height: number): SVGElement {
  const group = svg('g', { 'aria-hidden': 'true' })
  layout.lanes.forEach((lane, index) => {
    const y = top(index) - PAD / 2
    group.append(svg('rect', { class: index % 2 ? 'lane' : 'lane lane-odd', x: 0, y, width, height: lane.depth * ROW + PAD }))
    for (const [from, to] of businessHours(input, lane.region)) {
      group.append(svg('rect', { class: 'lane-business', x: layout.scale.x(from), y, width: Math.max(0, layout.scale.x(to) - layout.scale.x(from)), height: lane.depth * ROW + PAD }))
    }
  })
  for (const tick of layout.ticks) {
    group.append(svg('line', { class: 'tick', x1: tick.x, x2: tick.x, y1: HEAD - 6, y2: height }), svg('text', { class: 'tick-text', x: tick.x + 3, y: 14 }, input.words.duration(tick.at)))
  }
  for (const gap of layout.gaps) {
    group.append(svg('rect', { class: 'gap', x: gap.x, y: HEAD - 6, width: gap.width, height: height - HEAD + 6 }, svg('title', {}, input.words.duration(gap.seconds))))
  }
  return group
}

/** Stretches of business hours in a region during the run, in seconds of its axis; by quarter hours. */
function businessHours(input: GanttInput, region: string | null): [number, number][] {
  const zone = input.zones.get(region ?? '')
  if (!zone) return []
  const step = Math.max(900, input.now / 48)
  const found: [number, number][] = []
  for (let at = 0; at < input.now; at += step) {
    if (!localTime((input.began + at) * 1000, zone, 'en')?.business) continue
    const last = found[found.length - 1]
    const to = Math.min(input.now, at + step)
    if (last && Math.abs(last[1] - at) < 1e-6) last[1] = to
    else found.push([at, to])
  }
  return found
}

function barOf(input: GanttInput, bar: Bar, y: number, critical: ReadonlySet<string>, first: boolean): SVGElement {
  const { span } = bar
  const { words } = input
  const key = `${span.task} ${span.attempt}`
  const task = input.model.tasks.get(span.task)
  const state = span.end === null ? 'running' : span.ok ? 'ok' : 'bad'
  const seconds = words.duration((span.end ?? input.now) - span.start)
  const stateName = words.t(span.end === null ? 'state.running' : span.ok ? 'state.succeeded' : 'state.failed')
  const label = [span.task, stateName, seconds, words.t('matrix.attempt', { n: span.attempt }), ...(span.error ? [span.error] : [])].join(', ')
  const action = span.task.split('/')[1] ?? ''
  const group = svg('g', {
    role: 'gridcell', tabindex: first ? 0 : -1, class: `bar ${task?.node.phase ?? ''} bar-${state}${critical.has(key) ? ' bar-critical' : ''}${span.task === input.selected ? ' bar-selected' : ''}`,
    'aria-label': label, 'data-key': key, 'data-task': span.task, 'data-x': Math.round(bar.x + bar.width / 2), 'data-y': Math.round(y),
  }, svg('rect', { x: bar.x.toFixed(1), y: y + 1, width: Math.max(2, bar.width - 1).toFixed(1), height: ROW - 3, rx: 3 }), svg('title', {}, label))
  if (bar.width > action.length * 6 + 10) group.append(svg('text', { x: (bar.x + 5).toFixed(1), y: y + ROW - 6 }, action))
  return group
}

/** The line through the critical path. */
function thread(input: GanttInput, layout: GanttLayout, top: (lane: number) => number): SVGElement {
  const bars = new Map(layout.bars.map((bar) => [`${bar.span.task} ${bar.span.attempt}`, bar]))
  const points = input.critical.flatMap((span) => {
    const bar = bars.get(`${span.task} ${span.attempt}`)
    if (!bar) return []
    const y = top(bar.lane) + bar.depth * ROW + ROW / 2
    return [`${bar.x.toFixed(1)} ${y}`, `${(bar.x + bar.width).toFixed(1)} ${y}`]
  })
  return svg('path', { class: 'thread', d: points.length ? `M${points.join('L')}` : '', 'aria-hidden': 'true' })
}
