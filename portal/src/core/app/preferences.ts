/** What this person likes, kept in this browser. */
import { DEFAULT_BINDINGS, type Bindings } from './keys'
import { LANGUAGES, type Language } from '../i18n'

export type Theme = 'auto' | 'light' | 'dark'
export type Density = 'comfortable' | 'compact'

export interface Preferences {
  readonly theme: Theme
  readonly density: Density
  readonly language: Language
  readonly localTimes: boolean
  readonly letters: boolean
  readonly bindings: Bindings
  readonly environment: string
}

export interface Shelf {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
}

const KEY = 'chainfleet'

export function loadPreferences(shelf: Shelf, language: string): Preferences {
  const preferred = LANGUAGES.find((known) => language.toLowerCase().startsWith(known)) ?? 'en'
  const defaults: Preferences = {
    theme: 'auto', density: 'comfortable', language: preferred, localTimes: true, letters: true, bindings: DEFAULT_BINDINGS, environment: '',
  }
  try {
    const stored = JSON.parse(shelf.getItem(KEY) ?? '{}') as Partial<Preferences>
    return { ...defaults, ...stored, bindings: { ...DEFAULT_BINDINGS, ...stored.bindings } }
  } catch {
    return defaults
  }
}

export function savePreferences(shelf: Shelf, preferences: Preferences): void {
  try {
    shelf.setItem(KEY, JSON.stringify(preferences))
  } catch {
    // A full or forbidden storage must not break the page; the choice holds until it is closed.
  }
}
