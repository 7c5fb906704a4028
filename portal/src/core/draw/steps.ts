/**
 * The graph of a plan, drawn by steps: 24 twins in 24 regions are one box with a count. Layers are the longest path,
 * the order within a layer lessens crossings (two sweeps of barycentres). Pure.
 */
import type { Phase, PlanNode } from '../api/types'
import { actionOf } from '../model/matrix'

export interface StepNode {
  readonly key: string
  readonly phase: Phase
  readonly action: string
  readonly kind: string
  readonly tasks: readonly string[]
  readonly layer: number
  readonly place: number
}

export interface StepGraph {
  readonly nodes: readonly StepNode[]
  readonly edges: readonly (readonly [number, number])[]
  readonly layers: number
  readonly tallest: number
}

export function stepGraph(plan: readonly PlanNode[]): StepGraph {
  const groups = new Map<string, { phase: Phase; action: string; kind: string; tasks: string[] }>()
  const keyOf = new Map<string, string>()
  for (const node of plan) {
    // Waves put twins behind each other; one box each keeps the graph free of cycles.
    const key = `${node.phase}/${actionOf(node.id)}${node.wave == null ? '' : `@${node.wave}`}`
    keyOf.set(node.id, key)
    const group = groups.get(key) ?? { phase: node.phase, action: actionOf(node.id), kind: node.kind, tasks: [] }
    group.tasks.push(node.id)
    groups.set(key, group)
  }
  const before = new Map<string, Set<string>>([...groups.keys()].map((key) => [key, new Set()]))
  for (const node of plan) {
    for (const need of [...(node.needs ?? []), ...(node.after ?? [])]) {
      const from = keyOf.get(need)
      if (from && from !== keyOf.get(node.id)) before.get(keyOf.get(node.id)!)!.add(from)
    }
  }
  const layer = layersOf(before)
  thin(before)
  const order = arrange([...groups.keys()], layer, before)
  const index = new Map(order.map((key, i) => [key, i]))
  const count: number[] = []
  const nodes = order.map((key) => {
    const at = layer.get(key)!
    const place = count[at] ?? 0
    count[at] = place + 1
    return { key, ...groups.get(key)!, layer: at, place }
  })
  const edges = order.flatMap((key) => [...before.get(key)!].map((from) => [index.get(from)!, index.get(key)!] as const))
  return { nodes, edges, layers: count.length, tallest: Math.max(...count, 0) }
}

function layersOf(before: Map<string, Set<string>>): Map<string, number> {
  const layer = new Map<string, number>()
  const visit = (key: string, path: Set<string>): number => {
    const known = layer.get(key)
    if (known !== undefined) return known
    if (path.has(key)) return 0
    path.add(key)
    let depth = 0
    for (const other of before.get(key)!) depth = Math.max(depth, visit(other, path) + 1)
    path.delete(key)
    layer.set(key, depth)
    return depth
  }
  for (const key of before.keys()) visit(key, new Set())
  return layer
}

/** Leave out edges that a longer path says already. */
function thin(before: Map<string, Set<string>>): void {
  const reach = new Map<string, Set<string>>()
  const all = (key: string): Set<string> => {
    const known = reach.get(key)
    if (known) return known
    const found = new Set<string>()
    reach.set(key, found)
    for (const other of before.get(key)!) {
      found.add(other)
      for (const more of all(other)) found.add(more)
    }
    return found
  }
  for (const key of before.keys()) all(key)
  for (const needs of before.values()) {
    for (const need of [...needs]) if ([...needs].some((other) => other !== need && reach.get(other)!.has(need))) needs.delete(need)
  }
}

function arrange(keys: string[], layer: Map<string, number>, before: Map<string, Set<string>>): string[] {
  const layers: string[][] = []
  for (const key of keys) (layers[layer.get(key)!] ??= []).push(key)
  const after = new Map<string, string[]>(keys.map((key) => [key, []]))
  for (const [key, needs] of before) for (const need of needs) after.get(need)!.push(key)
  const sweep = (row: string[], beside: string[] | undefined, of: (key: string) => Iterable<string>): string[] => {
    if (!beside) return row
    const place = new Map(beside.map((key, i) => [key, i]))
    const centre = (key: string, i: number): number => {
      const places = [...of(key)].flatMap((other) => place.get(other) ?? [])
      return places.length ? places.reduce((a, b) => a + b, 0) / places.length : i
    }
    return row.map((key, i) => ({ key, at: centre(key, i) })).sort((a, b) => a.at - b.at).map(({ key }) => key)
  }
  for (let round = 0; round < 2; round++) {
    for (let i = 1; i < layers.length; i++) layers[i] = sweep(layers[i]!, layers[i - 1], (key) => before.get(key)!)
    for (let i = layers.length - 2; i >= 0; i--) layers[i] = sweep(layers[i]!, layers[i + 1], (key) => after.get(key)!)
  }
  return layers.flat()
}
