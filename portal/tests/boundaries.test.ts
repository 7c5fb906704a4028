/** What keeps one core under two views honest; a change that breaks it is a change of the architecture. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const SRC = new URL('../src/', import.meta.url)
const files = (folder: string): [string, string][] => readdirSync(new URL(folder, SRC), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.(ts|tsx|vue)$/.test(entry.name) && entry.name !== 'schema.d.ts')
  .map((entry) => [`${entry.parentPath}/${entry.name}`, readFileSync(`${entry.parentPath}/${entry.name}`, 'utf8')])
const lines = (list: [string, string][]): number => list.reduce((sum, [, text]) => sum + text.split('\n').filter((line) => line.trim()).length, 0)

const core = files('core')
const views = { vue: files('vue'), react: files('react') }

describe('the core', () => {
  it.each(core)('%s imports no framework', (_, text) => {
    expect(text).not.toMatch(/from '(vue|react|react-dom)/)
    expect(text).not.toMatch(/from '\.\.\/.*\/(vue|react)\//)
  })

  it.each(core.filter(([path]) => /\/(model|draw|live|i18n|pages|api)\//.test(path)))('%s reaches for no browser global', (_, text) => {
    const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')
    if (!/\/live\/(feed|worker|stream)\.ts$/.test(_)) expect(code).not.toMatch(/(?<![.\w'])(document|window|localStorage|sessionStorage|location|navigator|fetch\()(?=[.([])/)
    expect(code).not.toMatch(/innerHTML|insertAdjacentHTML|document\.write|eval\(/)
  })
})

describe.each(Object.entries(views))('the %s view', (name, list) => {
  it('is thin: at most a fifth of the core', () => expect(lines(list)).toBeLessThan(lines(core) / 5))

  it.each(list)('%s only draws: no requests, timers, storage, state', (_, text) => {
    expect(text).not.toMatch(/\bfetch\(|setTimeout|setInterval|requestAnimationFrame|localStorage|sessionStorage|XMLHttpRequest|useState|useReducer|reactive\(|innerHTML|v-html/)
    expect(text).not.toMatch(name === 'vue' ? /from 'react/ : /from 'vue/)
  })
})

it('both views have the same parts', () => {
  const kinds = [...readFileSync(new URL('core/view/blocks.ts', SRC), 'utf8').matchAll(/kind: '(\w+)'/g)].map((match) => match[1]!)
  for (const list of Object.values(views)) {
    const text = list.find(([path]) => /BlockView/.test(path))![1]
    for (const kind of new Set(kinds)) expect(text).toContain(`${kind}: `)
  }
})
