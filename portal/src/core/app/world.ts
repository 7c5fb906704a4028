/** What the application needs of its surroundings; the browser's are in `main.ts`, tests bring their own. */
import type { Connect } from '../live/feed'
import type { Address } from './session'
import type { Shelf } from './preferences'

export interface World {
  readonly base: string
  readonly origin: string
  /** `vue`, `react` or, in an exported file, `file`. */
  readonly framework: string
  readonly fetch: typeof fetch
  readonly connect: Connect
  readonly address: Address
  readonly local: Shelf
  readonly session: Shelf
  readonly language: string
  now(): number
  newKey(): string
  /** Call back after a while; returns how to call it off. */
  after(ms: number, callback: () => void): () => void
  copy(text: string): Promise<void>
  save(name: string, text: string, type: string): void
  readAsset(path: string): Promise<string>
  applyTheme(theme: string, density: string, language: string): void
  setTitle(title: string): void
  focus(what: 'search' | 'main'): void
  switchFramework(name: string): void
}
