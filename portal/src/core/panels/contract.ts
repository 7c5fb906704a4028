/**
 * The panel contract: `mount(el, ctx) → dispose`. A panel draws into an element by itself and knows no view framework;
 * the charts here are panels, and others can be registered without building the pages anew.
 */
import type { Act, Block } from '../view/blocks'
import { Store, type Readable } from '../util/store'
import { html } from './dom'

export interface PanelContext<I = unknown> {
  readonly input: Readable<I>
  readonly label: string
  dispatch(act: Act, value?: string): void
}

export type Mount<I = never> = (el: HTMLElement, ctx: PanelContext<I>) => () => void
export type PanelLoader = () => Promise<Mount>

const loaders = new Map<string, PanelLoader>([
  ['gantt', async () => (await import('./gantt')).mount as Mount],
  ['map', async () => (await import('./map')).mount as Mount],
  ['graph', async () => (await import('./graph')).mount as Mount],
  ['plot', async () => (await import('./plot')).mount as Mount],
  ['log', async () => (await import('./log')).mount as Mount],
])

export function registerPanel(name: string, loader: PanelLoader): void {
  loaders.set(name, loader)
}

type PanelBlock = Extract<Block, { kind: 'panel' }>

/** What a view needs to show a panel: begin, hand on new input, end. */
export class PanelHost {
  private readonly input: Store<unknown>
  private dispose: (() => void) | null = null
  private ended = false

  constructor(el: HTMLElement, block: PanelBlock, dispatch: (act: Act, value?: string) => void) {
    this.input = new Store<unknown>(block.input)
    const loader = loaders.get(block.panel)
    if (!loader) throw new Error(`no panel is called ${block.panel}`)
    loader().then((mount) => {
      if (!this.ended) this.dispose = mount(el, { input: this.input as Readable<unknown> as Readable<never>, label: block.label, dispatch })
    }).catch((error: unknown) => {
      if (!this.ended) el.replaceChildren(html('p', { class: 'items-empty', role: 'status' }, `${block.label}: ${(error as Error).message}`))
    })
  }

  update(block: PanelBlock): void {
    this.input.set(block.input)
  }

  end(): void {
    this.ended = true
    this.dispose?.()
  }
}
