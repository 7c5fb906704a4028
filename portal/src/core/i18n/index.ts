/**
 * Messages with `{name}` for values and `{name|one form|other form}` for plurals; `#` in a form is the number.
 *
 * English is the source and the fall-back; other languages are loaded when chosen. `pseudo` is English made longer and
 * strange, to find what was forgotten or does not fit.
 */
import { en, type Key } from './en'

export type { Key }
export type Messages = Record<Key, string>
export type Params = Readonly<Record<string, string | number>>
export const LANGUAGES = ['en', 'de', 'fr', 'ja', 'pseudo'] as const
export type Language = (typeof LANGUAGES)[number]

export interface Words {
  readonly language: Language
  /** For `Intl`. */
  readonly locale: string
  t(key: Key, params?: Params): string
  /** The word for something that a newer server may call by a name unknown here: then that name. */
  word(key: string, fallback: string): string
  number(value: number, digits?: number): string
  percent(share: number): string
  /** Seconds as people say them: 4.2 s, 2 min 4 s, 1 h 5 min. */
  duration(seconds: number): string
  time(ms: number): string
  dateTime(ms: number): string
  ago(ms: number, now: number): string
  list(items: readonly string[]): string
}

const VOWELS: Record<string, string> = { a: 'á', e: 'é', i: 'í', o: 'ó', u: 'ú', A: 'Á', E: 'É', I: 'Í', O: 'Ó', U: 'Ú' }

/** English, 30 % longer and with accents; placeholders stay. */
export function pseudo(message: string): string {
  const parts = message.split(/(\{[^}]*\})/)
  const strange = parts.map((part) => {
    if (!part.startsWith('{')) return part.replace(/[aeiouAEIOU]/g, (letter) => VOWELS[letter]!)
    const [name, ...forms] = part.slice(1, -1).split('|')
    return forms.length ? `{${[name, ...forms.map((form) => form.replace(/[aeiou]/g, (letter) => VOWELS[letter]!))].join('|')}}` : part
  }).join('')
  return `[${strange}${'~'.repeat(Math.ceil(message.length * 0.3))}]`
}

// Formatters are dear to make and are asked for thousands of times a second.
function kept<T>(make: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>()
  return (key) => {
    let found = known.get(key)
    if (found === undefined) known.set(key, (found = make(key)))
    return found
  }
}

const plainNumber = kept((locale) => new Intl.NumberFormat(locale))
const plural = kept((locale) => new Intl.PluralRules(locale))

export function format(message: string, params: Params, locale: string): string {
  return message.replace(/\{(\w+)((?:\|[^}|]*)*)\}/g, (whole, name: string, forms: string) => {
    const value = params[name]
    if (value === undefined) return whole
    const shown = typeof value === 'number' ? plainNumber(locale).format(value) : value
    if (!forms) return shown
    const list = forms.slice(1).split('|')
    const other = list[list.length - 1]!
    const one = plural(locale).select(Number(value)) === 'one'
    return (one ? list[0]! : other).replaceAll('#', shown)
  })
}

const LOADERS: Record<Language, () => Promise<Messages>> = {
  en: () => Promise.resolve(en),
  de: async () => (await import('./de')).de,
  fr: async () => (await import('./fr')).fr,
  ja: async () => (await import('./ja')).ja,
  pseudo: () => Promise.resolve(Object.fromEntries(Object.entries(en).map(([key, message]) => [key, pseudo(message)])) as Messages),
}

export async function loadWords(language: Language): Promise<Words> {
  return makeWords(language, await LOADERS[language]())
}

export function makeWords(language: Language, messages: Messages): Words {
  const locale = language === 'pseudo' || language === 'en' ? 'en-GB' : language
  const units = kept((key) => {
    const [unit, digits] = key.split(' ') as [string, string]
    return new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'short', minimumFractionDigits: Number(digits), maximumFractionDigits: Number(digits) })
  })
  const numbers = kept((digits) => new Intl.NumberFormat(locale, { maximumFractionDigits: Number(digits) }))
  const percent = new Intl.NumberFormat(locale, { style: 'percent' })
  const unit = (value: number, name: string, digits = 0): string =>
    units(`${name} ${digits}`).format(value).replace(/secs?$/, 's').replace(/mins?$/, 'min').replace(/hrs?$/, 'h')
  const dateOf = (options: Intl.DateTimeFormatOptions): ((ms: number) => string) => {
    const formatter = new Intl.DateTimeFormat(locale, { ...options, hourCycle: 'h23' })
    return (ms) => formatter.format(ms)
  }
  const time = dateOf({ hour: '2-digit', minute: '2-digit', second: '2-digit' })
  const dateTime = dateOf({ month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' })
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' })
  return {
    language, locale, time, dateTime,
    word: (key, fallback) => (messages as Record<string, string>)[key] ?? fallback,
    t: (key, params = {}) => format(messages[key] ?? en[key], params, locale),
    number: (value, digits = 0) => numbers(String(digits)).format(value),
    percent: (share) => percent.format(share),
    duration: (seconds) => {
      const s = Math.max(0, seconds)
      if (s < 9.95) return unit(s, 'second', 1)
      if (s < 59.5) return unit(Math.round(s), 'second')
      const whole = Math.round(s)
      if (whole < 3600) return `${unit(Math.floor(whole / 60), 'minute')}${whole % 60 ? ` ${unit(whole % 60, 'second')}` : ''}`
      const minutes = Math.round(whole / 60)
      return `${unit(Math.floor(minutes / 60), 'hour')}${minutes % 60 ? ` ${unit(minutes % 60, 'minute')}` : ''}`
    },
    ago: (ms, now) => {
      const s = (ms - now) / 1000
      if (Math.abs(s) < 60) return relative.format(0, 'minute')
      if (Math.abs(s) < 3600) return relative.format(Math.round(s / 60), 'minute')
      if (Math.abs(s) < 86_400) return relative.format(Math.round(s / 3600), 'hour')
      return relative.format(Math.round(s / 86_400), 'day')
    },
    list: (items) => new Intl.ListFormat(locale, { type: 'conjunction' }).format(items),
  }
}
