/** Building elements without markup: the page's policy allows neither `innerHTML` nor inline styles. */
const SVG = 'http://www.w3.org/2000/svg'

type Attributes = Readonly<Record<string, string | number | undefined>>

function fill<E extends Element>(element: E, attributes: Attributes, children: readonly (Node | string)[]): E {
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(name, String(value))
  element.append(...children)
  return element
}

export const svg = <K extends keyof SVGElementTagNameMap>(name: K, attributes: Attributes = {}, ...children: (Node | string)[]): SVGElementTagNameMap[K] =>
  fill(document.createElementNS(SVG, name), attributes, children)

export const html = <K extends keyof HTMLElementTagNameMap>(name: K, attributes: Attributes = {}, ...children: (Node | string)[]): HTMLElementTagNameMap[K] =>
  fill(document.createElement(name), attributes, children)

/** Draw at most every `ms`, and always the last state. */
export function throttled(draw: () => void, ms: number): { ask(): void; stop(): void } {
  let timer: ReturnType<typeof setTimeout> | null = null
  let last = -Infinity
  return {
    ask: () => {
      if (timer !== null) return
      timer = setTimeout(() => {
        timer = null
        last = performance.now()
        draw()
      }, Math.max(0, ms - (performance.now() - last)))
    },
    stop: () => {
      if (timer !== null) clearTimeout(timer)
    },
  }
}
