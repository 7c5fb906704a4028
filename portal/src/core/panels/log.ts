/** A log: a window over the kept lines, following the end only while the reader is at the end. */
import type { LogTail, ShownLine } from '../app/logs'
import { parseSgr } from '../draw/sgr'
import type { Words } from '../i18n'
import type { Mount, PanelContext } from './contract'
import { html, throttled } from './dom'

export interface LogInput {
  readonly tail: LogTail
  readonly words: Words
  readonly find: string
}

const LINE = 20
const MARGIN = 20

export const mount: Mount<LogInput> = (el, ctx: PanelContext<LogInput>) => {
  const spacer = html('div', { class: 'log-spacer' })
  const lines = html('div', { class: 'log-lines' })
  const view = html('div', { class: 'log-view', role: 'log', 'aria-live': 'off', 'aria-label': ctx.label, tabindex: 0 }, spacer, lines)
  const more = html('button', { type: 'button', class: 'button log-more', hidden: '' })
  const note = html('p', { class: 'log-note' })
  el.replaceChildren(html('div', { class: 'log' }, view, more), note)
  let following = true
  let seen = 0
  let tail = ctx.input.getSnapshot().tail

  const draw = (): void => {
    const { words, find } = ctx.input.getSnapshot()
    spacer.style.height = `${tail.lines.length * LINE}px`
    if (following) {
      view.scrollTop = view.scrollHeight
      seen = tail.lines.length
    }
    const from = Math.max(0, Math.floor(view.scrollTop / LINE) - MARGIN)
    const count = Math.ceil(Math.max(view.clientHeight, 200) / LINE) + 2 * MARGIN
    lines.style.transform = `translateY(${from * LINE}px)`
    lines.replaceChildren(...tail.lines.slice(from, from + count).map((line) => lineOf(line, find)))
    const fresh = tail.lines.length - seen
    more.hidden = following || fresh <= 0
    more.textContent = words.t('log.new', { n: fresh })
    note.textContent = tail.problem || (tail.dropped ? words.t('log.dropped', { n: tail.dropped }) : tail.lines.length ? '' : tail.over && find ? words.t('log.noMatch') : tail.version ? words.t('log.empty') : words.t('loading'))
  }
  const later = throttled(draw, 100)
  view.addEventListener('scroll', () => {
    following = view.scrollTop + view.clientHeight >= view.scrollHeight - LINE
    later.ask()
  })
  more.addEventListener('click', () => {
    following = true
    draw()
  })
  let off = tail.subscribe(later.ask)
  draw()
  const offInput = ctx.input.subscribe(() => {
    const next = ctx.input.getSnapshot().tail
    if (next !== tail) {
      off()
      tail = next
      following = true
      off = tail.subscribe(later.ask)
    }
    later.ask()
  })
  return () => {
    off()
    offInput()
    later.stop()
  }
}

function lineOf(line: ShownLine, find: string): HTMLElement {
  const text = html('span', { class: 'log-text' })
  for (const run of parseSgr(line.text)) text.append(...mark(run.text, find).map(([part, hit]) => (hit ? html('mark', {}, part) : html('span', { class: run.classes || undefined }, part))))
  return html('div', { class: `log-line${line.level === 'error' ? ' log-error' : line.level === 'warn' ? ' log-warn' : ''}` }, html('span', { class: 'log-number' }, String(line.number)), html('span', { class: 'log-time' }, line.time), text)
}

function mark(text: string, find: string): [string, boolean][] {
  if (!find) return [[text, false]]
  const parts: [string, boolean][] = []
  const lower = text.toLowerCase()
  let from = 0
  for (let at = lower.indexOf(find.toLowerCase()); at >= 0; at = lower.indexOf(find.toLowerCase(), from)) {
    parts.push([text.slice(from, at), false], [text.slice(at, at + find.length), true])
    from = at + find.length
  }
  parts.push([text.slice(from), false])
  return parts.filter(([part]) => part)
}
