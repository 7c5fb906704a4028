/** The world map: land as one stored path, night, and a point per region with a shape of its own per state. */
import { MAP_HEIGHT, MAP_WIDTH } from '../draw/earth'
import { LAND } from '../draw/land'
import type { Tone } from '../view/blocks'
import type { Mount, PanelContext } from './contract'
import { svg } from './dom'

export interface MapInput {
  readonly points: readonly { readonly key: string; readonly x: number; readonly y: number; readonly tone: Tone; readonly state: string; readonly label: string; readonly href: string }[]
  readonly night: string
}

const R = 6

/** A shape per tone, so that colour is never the only sign. */
function shape(tone: Tone, x: number, y: number): SVGElement {
  if (tone === 'bad') return svg('path', { d: `M${x - R} ${y - R}L${x + R} ${y + R}M${x + R} ${y - R}L${x - R} ${y + R}` })
  if (tone === 'warn') return svg('path', { d: `M${x} ${y - R - 1}L${x + R + 1} ${y + R}H${x - R - 1}Z` })
  if (tone === 'ask') return svg('path', { d: `M${x} ${y - R - 1}L${x + R + 1} ${y}L${x} ${y + R + 1}L${x - R - 1} ${y}Z` })
  return svg('circle', { cx: x, cy: y, r: tone === 'busy' ? R : R - 1 })
}

export const mount: Mount<MapInput> = (el, ctx: PanelContext<MapInput>) => {
  const night = svg('path', { class: 'map-night' })
  const points = svg('g')
  const root = svg('svg', { class: 'map', viewBox: `0 0 ${MAP_WIDTH} ${MAP_HEIGHT}`, role: 'group', 'aria-label': ctx.label }, svg('path', { class: 'map-land', d: LAND }), night, points)
  el.replaceChildren(root)
  let drawn = ''
  const draw = (): void => {
    const input = ctx.input.getSnapshot()
    if (night.getAttribute('d') !== input.night) night.setAttribute('d', input.night)
    const key = input.points.map((point) => `${point.key} ${point.tone} ${point.label} ${point.href}`).join('\n')
    if (key === drawn) return
    drawn = key
    points.replaceChildren(...input.points.map((point) => svg('a', { href: point.href, class: `map-point tone-${point.tone}`, 'aria-label': point.label },
      svg('circle', { class: 'map-hit', cx: point.x.toFixed(1), cy: point.y.toFixed(1), r: 12 }), shape(point.tone, Number(point.x.toFixed(1)), Number(point.y.toFixed(1))), svg('title', {}, point.label))))
  }
  draw()
  return ctx.input.subscribe(draw)
}
