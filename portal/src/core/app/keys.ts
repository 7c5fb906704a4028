/** Keyboard: what each chord does; every binding can be changed, and single letters can be switched off (WCAG 2.1.4). */
export const COMMANDS = [
  'palette', 'help', 'search', 'now', 'runs', 'environments', 'regions', 'monitoring', 'audit', 'access', 'settings',
  'next-failure', 'previous-failure', 'logs', 'retry', 'pause', 'live', 'play', 'step-back', 'step-on', 'close',
] as const
export type Command = (typeof COMMANDS)[number]
export type Bindings = Readonly<Record<Command, string>>

export const DEFAULT_BINDINGS: Bindings = {
  palette: 'mod+k', help: '?', search: '/', now: 'g n', runs: 'g r', environments: 'g e', regions: 'g l', monitoring: 'g m',
  audit: 'g a', access: 'g x', settings: 'g s', 'next-failure': ']', 'previous-failure': '[', logs: 'l', retry: 't', pause: 'p',
  live: '.', play: 'space', 'step-back': ',', 'step-on': ';', close: 'escape',
}

export interface KeyPress {
  readonly key: string
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  readonly altKey: boolean
  /** Whether the press goes into a field, where letters are text. */
  readonly typing: boolean
  /** Whether a control that space presses has the focus. */
  readonly pressing: boolean
}

const FIRST_OF_TWO_MS = 1200

export class Keys {
  private pending = ''
  private at = 0
  constructor(private bindings: Bindings, private letters: boolean) {}

  bind(bindings: Bindings, letters: boolean): void {
    this.bindings = bindings
    this.letters = letters
  }

  /** The command of a press, if it completes one. */
  press(event: KeyPress, now: number): Command | null {
    const chord = chordOf(event)
    if (event.altKey || !chord) return null
    const modified = event.ctrlKey || event.metaKey
    if (event.typing && !modified && chord !== 'escape') return null
    if (!this.letters && !modified && chord.length === 1) return null
    if (chord === 'space' && event.pressing) return null
    const both = this.pending && now - this.at < FIRST_OF_TWO_MS ? `${this.pending} ${chord}` : chord
    this.pending = ''
    for (const command of COMMANDS) if (this.bindings[command] === both) return command
    if (COMMANDS.some((command) => this.bindings[command].startsWith(`${chord} `))) {
      this.pending = chord
      this.at = now
    }
    return null
  }
}

export function chordOf(event: Pick<KeyPress, 'key' | 'ctrlKey' | 'metaKey'>): string {
  const key = event.key === ' ' ? 'space' : event.key.length === 1 ? event.key.toLowerCase() : event.key.toLowerCase()
  if (['control', 'meta', 'shift', 'alt'].includes(key)) return ''
  return event.ctrlKey || event.metaKey ? `mod+${key}` : key
}
