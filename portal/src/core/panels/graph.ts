/** The graph of steps: a box per step with a meter of its tasks' states, edges for what needs what. */
import type { PlanView, TaskState } from '../api/types'
import { stepGraph, type StepGraph, type StepNode } from '../draw/steps'
import type { Words } from '../i18n'
import type { RunModel } from '../model/run'
import { memo } from '../util/store'
import type { Mount, PanelContext } from './contract'
import { html, svg, throttled } from './dom'

export interface GraphInput {
  readonly plan: PlanView
  readonly model: RunModel
  readonly version: number
  readonly words: Words
  readonly critical: ReadonlySet<string>
  label(key: string, action: string): string
}

const W = 168
const H = 54
const DX = 46
const DY = 18
const LEAST_SCALE = 0.7
const ORDER: readonly TaskState[] = ['succeeded', 'running', 'backing-off', 'at-gate', 'failed', 'skipped', 'cancelled', 'ready', 'waiting']

export const mount: Mount<GraphInput> = (el, ctx: PanelContext<GraphInput>) => {
  const graphOf = memo((plan: PlanView) => stepGraph(plan.nodes))
  const frame = html('div', { class: 'graph-scroll', tabindex: 0, role: 'group', 'aria-label': ctx.label })
  el.replaceChildren(frame)
  const draw = (): void => {
    const input = ctx.input.getSnapshot()
    frame.replaceChildren(drawing(graphOf(input.plan), input))
  }
  const later = throttled(draw, 300)
  draw()
  const off = ctx.input.subscribe(() => later.ask())
  return () => {
    off()
    later.stop()
  }
}

function drawing(graph: StepGraph, input: GraphInput): SVGElement {
  const height = graph.tallest * (H + DY) + DY
  const width = graph.layers * (W + DX)
  const sizes: number[] = []
  for (const node of graph.nodes) sizes[node.layer] = Math.max(sizes[node.layer] ?? 0, node.place + 1)
  const at = (node: StepNode): [number, number] => [node.layer * (W + DX) + 2, (height - sizes[node.layer]! * (H + DY)) / 2 + node.place * (H + DY) + DY / 2]
  const root = svg('svg', { class: 'graph', viewBox: `0 0 ${width} ${height}`, role: 'list', 'aria-label': input.words.t('graph.title') })
  // However many layers waves put behind each other: what is too small to read is scrolled instead.
  root.style.minWidth = `${Math.round(width * LEAST_SCALE)}px`
  for (const [from, to] of graph.edges) {
    const [x1, y1] = at(graph.nodes[from]!)
    const [x2, y2] = at(graph.nodes[to]!)
    const bend = DX / 2
    root.append(svg('path', { class: 'edge', 'aria-hidden': 'true', d: `M${x1 + W} ${y1 + H / 2}C${x1 + W + bend} ${y1 + H / 2} ${x2 - bend} ${y2 + H / 2} ${x2} ${y2 + H / 2}` }))
  }
  for (const node of graph.nodes) root.append(box(node, at(node), input))
  return root
}

function box(node: StepNode, [x, y]: [number, number], input: GraphInput): SVGElement {
  const counts = new Map<TaskState, number>()
  for (const id of node.tasks) {
    const state = input.model.tasks.get(id)!.state
    counts.set(state, (counts.get(state) ?? 0) + 1)
  }
  const states = ORDER.flatMap((state) => (counts.get(state) ? [`${input.words.t(`state.${state}`)} ${counts.get(state)}`] : []))
  const name = input.label(`${node.phase}/${node.action}`, node.action)
  const wave = node.key.includes('@') ? ` · ${input.words.t('matrix.wave', { n: Number(node.key.split('@')[1]) + 1 })}` : ''
  const done = counts.get('succeeded') ?? 0
  const critical = input.critical.has(`${node.phase}/${node.action}`)
  const group = svg('g', { role: 'listitem', class: `step ${node.phase}${critical ? ' step-critical' : ''}${counts.get('failed') ? ' step-bad' : ''}`, 'aria-label': `${input.words.t(`phase.${node.phase}`)} ${name}${wave}: ${states.join(', ')}` },
    svg('rect', { class: 'step-box', x, y, width: W, height: H, rx: 8 }), svg('rect', { class: 'step-side', x, y: y + 8, width: 3, height: H - 16 }),
    svg('text', { class: 'step-name', x: x + 14, y: y + 20 }, name), svg('text', { class: 'step-phase', x: x + 14, y: y + 35 }, `${input.words.t(`phase.${node.phase}`)}${wave}`),
    svg('text', { class: 'step-count', x: x + W - 12, y: y + 20, 'text-anchor': 'end' }, node.tasks.length > 1 ? `${done}/${node.tasks.length}` : done ? '✓' : ''))
  let left = x + 14
  for (const state of ORDER) {
    const share = ((counts.get(state) ?? 0) / node.tasks.length) * (W - 26)
    if (share) group.append(svg('rect', { class: `meter-part state-${state}`, x: left.toFixed(1), y: y + H - 11, width: share.toFixed(1), height: 4 }))
    left += share
  }
  group.append(svg('title', {}, states.join('\n')))
  return group
}
