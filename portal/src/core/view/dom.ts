/** Small hands on the page that both views share, so that they behave alike to the last key. */

/** Names of classes in one text; what is empty or false is left out. */
export const classes = (...names: (string | false | null | undefined)[]): string => names.filter(Boolean).join(' ')

/** Give a field its value without disturbing who types in it. */
export function syncField(el: Element | null, value: string): void {
  if (el instanceof HTMLInputElement && el.type === 'checkbox') {
    if (el.checked !== (value === 'yes')) el.checked = value === 'yes'
  } else if ((el instanceof HTMLInputElement || el instanceof HTMLTextAreaElement || el instanceof HTMLSelectElement) && el.value !== value) el.value = value
}

/** A slider: its ends before its value, or the value would be cut to the old ends. */
export function syncRange(el: Element | null, range: { readonly min: number; readonly max: number; readonly value: number }): void {
  if (!(el instanceof HTMLInputElement)) return
  if (el.min !== String(range.min)) el.min = String(range.min)
  if (el.max !== String(range.max)) el.max = String(range.max)
  syncField(el, String(range.value))
}

/** Keys that move in a list while its field keeps the focus; they then do nothing else. */
export function isPaletteKey(event: KeyboardEvent): boolean {
  if (!['ArrowDown', 'ArrowUp', 'Enter'].includes(event.key)) return false
  event.preventDefault()
  return true
}

export const valueOf = (event: Event): string => {
  const el = event.target as HTMLInputElement
  return el.type === 'checkbox' ? (el.checked ? 'yes' : '') : el.value
}

/** Add or take out one of several in a field of words. */
export function toggled(words: string, word: string, on: boolean): string {
  const set = words.split(' ').filter((other) => other && other !== word)
  return (on ? [...set, word] : set).join(' ')
}

const openers: Element[] = []

/** Called with the dialog when it is there, and with null when it is gone: then the focus goes back to where it was. */
export function openDialog(el: Element | null): void {
  if (el instanceof HTMLDialogElement && !el.open) {
    if (document.activeElement) openers.push(document.activeElement)
    el.showModal()
  } else if (!el) {
    const opener = openers.pop()
    queueMicrotask(() => {
      // Now it is out of the document. Who opened it may be gone as well, or somebody else has the focus by now.
      if (document.activeElement !== document.body || !(opener instanceof HTMLElement)) return
      const to = opener.isConnected && opener !== document.body ? opener : document.getElementById('main')
      to?.focus({ preventScroll: true })
    })
  }
}

/** Clicking beside a dialog closes it. */
export const outside = (event: Event, dialog: EventTarget | null = event.currentTarget): boolean => event.target === dialog

const KEYS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1], l: [1, 0], h: [-1, 0], j: [0, 1], k: [0, -1],
}

/** Arrow keys and hjkl in a grid: roving focus, by row and place. True if the key was for the grid. */
export function moveInGrid(event: KeyboardEvent): boolean {
  const cell = (event.target as Element).closest<HTMLElement | SVGElement>('[role="gridcell"], [role="rowheader"]')
  const grid = cell?.closest('[role="grid"]')
  if (!cell || !grid || event.ctrlKey || event.metaKey || event.altKey) return false
  if (event.key === 'Enter' || event.key === ' ') {
    if (cell instanceof SVGElement) cell.dispatchEvent(new MouseEvent('click', { bubbles: true }))
    else (cell.querySelector<HTMLElement>('button, a') ?? cell).click()
    event.preventDefault()
    event.stopPropagation()
    return true
  }
  const rows = [...grid.querySelectorAll('[role="row"]')].map((row) => cellsOf(row)).filter((cells) => cells.length)
  const y = rows.findIndex((cells) => cells.includes(cell))
  const x = rows[y]?.indexOf(cell) ?? -1
  const to = event.key === 'Home' ? rows[y]?.[0] : event.key === 'End' ? rows[y]?.[rows[y]!.length - 1] : step(rows, x, y, KEYS[event.key])
  if (!to) return false
  focusCell(grid, to)
  event.preventDefault()
  event.stopPropagation()
  return true
}

type Cell = HTMLElement | SVGElement
const cellsOf = (row: Element): Cell[] => [...row.querySelectorAll<Cell>('[role="gridcell"], [role="rowheader"]')].filter((cell) => cell.hasAttribute('tabindex'))

function step(rows: readonly Cell[][], x: number, y: number, by: readonly [number, number] | undefined): Cell | undefined {
  if (!by || y < 0) return undefined
  const row = rows[Math.min(rows.length - 1, Math.max(0, y + by[1]))]!
  if (by[1] === 0) return row[Math.min(row.length - 1, Math.max(0, x + by[0]))]
  const here = rows[y]![x]!
  // Bars have no columns: the nearest one in the next lane.
  if (here.dataset['x'] === undefined) return row[Math.min(row.length - 1, x)]
  const at = Number(here.dataset['x'])
  return row.reduce((a, b) => (Math.abs(Number(b.dataset['x']) - at) < Math.abs(Number(a.dataset['x']) - at) ? b : a))
}

function focusCell(grid: Element, to: Cell): void {
  for (const cell of grid.querySelectorAll('[tabindex="0"]')) cell.setAttribute('tabindex', '-1')
  to.setAttribute('tabindex', '0')
  to.focus()
  to.scrollIntoView({ block: 'nearest', inline: 'nearest' })
}

/** Where a click or an arrow puts the focus, the next Tab comes back to. */
export function roveTo(event: Event): void {
  const cell = (event.target as Element).closest<Cell>('[role="gridcell"], [role="rowheader"]')
  const grid = cell?.closest('[role="grid"]')
  if (!cell || !grid || cell.getAttribute('tabindex') === '0') return
  for (const other of grid.querySelectorAll('[tabindex="0"]')) other.setAttribute('tabindex', '-1')
  cell.setAttribute('tabindex', '0')
}
