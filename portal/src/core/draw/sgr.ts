/** Terminal colours in log lines as runs of text; nothing is ever read as markup. Other escape sequences are dropped. */
export interface Run {
  readonly text: string
  readonly classes: string
}

const COLOURS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white']
// eslint-disable-next-line no-control-regex
const ESCAPE = /\x1b\[([0-9;]*)m|\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)/g

export function parseSgr(line: string): Run[] {
  const runs: Run[] = []
  let classes = new Set<string>()
  let from = 0
  const push = (text: string): void => {
    if (text) runs.push({ text, classes: [...classes].join(' ') })
  }
  for (const match of line.matchAll(ESCAPE)) {
    push(line.slice(from, match.index))
    from = match.index + match[0].length
    if (match[1] === undefined) continue
    classes = style(classes, match[1])
  }
  push(line.slice(from))
  return runs
}

function style(before: Set<string>, codes: string): Set<string> {
  let classes = new Set(before)
  for (const code of (codes || '0').split(';').map(Number)) {
    if (code === 0) classes = new Set()
    else if (code === 1) classes.add('sgr-bold')
    else if (code === 4) classes.add('sgr-underline')
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) {
      for (const name of COLOURS) classes.delete(`sgr-${name}`)
      classes.add(`sgr-${COLOURS[code % 10]}`)
    } else if (code === 39) for (const name of COLOURS) classes.delete(`sgr-${name}`)
  }
  return classes
}

/** A progress bar rewrites its line: only what stands in the end is shown. */
export const settle = (line: string): string => {
  const trimmed = line.replace(/\r+$/, '')
  return trimmed.slice(trimmed.lastIndexOf('\r') + 1)
}
