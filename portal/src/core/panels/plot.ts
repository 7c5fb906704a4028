/** A time series with uPlot, which is loaded only where there is one. */
import uPlot from 'uplot'
import type { Mount, PanelContext } from './contract'
import { html } from './dom'

export interface PlotInput {
  readonly x: readonly number[]
  readonly y: readonly (number | null)[]
  readonly title: string
  readonly locale: string
}

const HEIGHT = 150

export const mount: Mount<PlotInput> = (el, ctx: PanelContext<PlotInput>) => {
  const frame = html('div', { class: 'plot', role: 'img', 'aria-label': ctx.label })
  el.replaceChildren(frame)
  const data = (): uPlot.AlignedData => {
    const { x, y } = ctx.input.getSnapshot()
    return [[...x], [...y]]
  }
  const colour = (name: string): string => getComputedStyle(frame).getPropertyValue(name).trim() || 'gray'
  const axis = (): uPlot.Axis => ({ stroke: () => colour('--plot-text'), grid: { stroke: () => colour('--plot-grid'), width: 1 }, ticks: { show: false }, font: '11px system-ui, sans-serif' })
  const format = new Intl.DateTimeFormat(ctx.input.getSnapshot().locale, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
  const plot = new uPlot({
    width: Math.max(200, frame.clientWidth), height: HEIGHT, legend: { show: false }, cursor: { y: false, drag: { x: true, y: false } },
    scales: { x: { time: true } }, series: [{}, { stroke: () => colour('--plot-line'), width: 1.5, fill: () => colour('--plot-fill'), points: { show: false } }],
    axes: [{ ...axis(), values: (_, values) => values.map((value) => format.format(value * 1000)) }, { ...axis(), size: 56 }],
  }, data(), frame)
  const describe = (): void => {
    const { y } = ctx.input.getSnapshot()
    const last = [...y].reverse().find((value) => value !== null)
    frame.setAttribute('aria-label', `${ctx.label}: ${last ?? '—'}`)
  }
  describe()
  const off = ctx.input.subscribe(() => {
    plot.setData(data())
    describe()
  })
  const observer = new ResizeObserver(() => plot.setSize({ width: Math.max(200, frame.clientWidth), height: HEIGHT }))
  observer.observe(frame)
  // Its colours are the page's: drawn anew when the machine's scheme or the reader's choice changes.
  const scheme = matchMedia('(prefers-color-scheme: dark)')
  const redraw = (): void => plot.redraw()
  scheme.addEventListener('change', redraw)
  const theme = new MutationObserver(redraw)
  theme.observe(document.documentElement, { attributeFilter: ['data-theme'] })
  return () => {
    off()
    observer.disconnect()
    scheme.removeEventListener('change', redraw)
    theme.disconnect()
    plot.destroy()
  }
}
