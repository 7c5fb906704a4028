/**
 * What a page is made of, as plain data: the core decides everything, a view only draws it.
 *
 * A view layer (Vue, React) has one small component per `kind`. `Act` says what a click asks for; the view hands it to
 * `app.dispatch` and knows no more.
 */
import type { Phase, TaskState } from '../api/types'
import type { MatrixCell, MatrixRow, Step } from '../model/matrix'
import type { Verb } from '../app/verbs'
import type { IconName } from './icons'

export type Tone = 'neutral' | 'good' | 'bad' | 'warn' | 'busy' | 'quiet' | 'ask'

export type Act =
  | { readonly do: 'go'; readonly to: string }
  | { readonly do: 'query'; readonly set: Readonly<Record<string, string | null>> }
  | { readonly do: 'verb'; readonly verb: Verb }
  | { readonly do: 'draft'; readonly form: string; readonly field: string }
  | { readonly do: 'call'; readonly name: string; readonly args?: readonly string[] }

export interface Button {
  readonly key: string
  readonly label: string
  readonly act: Act
  readonly tone?: 'primary' | 'danger' | 'plain'
  readonly icon?: IconName
  readonly disabled?: boolean
  readonly hint?: string
  readonly pressed?: boolean
}

export interface Choice {
  readonly key: string
  readonly label: string
  readonly value: string
  readonly options: readonly { readonly value: string; readonly label: string }[]
  readonly act: Act
}

export interface Badge {
  readonly text: string
  readonly tone: Tone
  readonly state?: TaskState | null
}

export interface TableCell {
  readonly text: string
  readonly href?: string
  readonly badge?: Badge
  readonly hint?: string
  readonly mono?: boolean
  readonly align?: 'end'
  readonly bars?: readonly { readonly height: number; readonly tone: Tone; readonly title: string }[]
  readonly share?: number
  readonly tone?: Tone
  readonly buttons?: readonly Button[]
}

export interface TableRow {
  readonly key: string
  readonly cells: readonly TableCell[]
  readonly current?: boolean
}

export interface Item {
  readonly key: string
  readonly tone: Tone
  readonly title: string
  readonly text: string
  readonly meta: readonly string[]
  readonly href?: string
  readonly buttons: readonly Button[]
}

export interface Field {
  readonly key: string
  readonly label: string
  readonly type: 'text' | 'number' | 'password' | 'select' | 'check' | 'area' | 'search' | 'checks'
  readonly value: string
  readonly hint?: string
  readonly error?: string
  readonly options?: readonly { readonly value: string; readonly label: string }[]
  readonly rows?: number
  readonly mono?: boolean
  readonly required?: boolean
  readonly wide?: boolean
  readonly placeholder?: string
}

export interface Stat {
  readonly key: string
  readonly label: string
  readonly value: string
  readonly hint: string
  readonly tone: Tone
}

export interface MatrixHead {
  readonly phase: Phase
  readonly label: string
  readonly span: number
}

export interface MatrixBlock {
  readonly kind: 'matrix'
  readonly key: string
  readonly caption: string
  readonly corner: string
  readonly heads: readonly MatrixHead[]
  readonly steps: readonly Step[]
  readonly stepLabels: readonly string[]
  readonly groups: readonly { readonly key: string; readonly label: string; readonly rows: readonly MatrixRow[] }[]
  readonly text: MatrixText
}

/** How rows and cells are told; one object for as long as language and selection stay the same. */
export interface MatrixText {
  name(row: MatrixRow): string
  local(row: MatrixRow): string
  cellName(row: MatrixRow, cell: MatrixCell): string
  cellText(cell: MatrixCell): string
  regionAct(row: MatrixRow): Act
  cellAct(cell: MatrixCell): Act
  selected: string
}

export type PanelName = 'gantt' | 'map' | 'graph' | 'plot' | 'log'

export type Block =
  | { readonly kind: 'lead'; readonly key: string; readonly tone: Tone; readonly text: string; readonly meta: readonly string[]; readonly parts: readonly Part[]; readonly label: string }
  | { readonly kind: 'stats'; readonly key: string; readonly items: readonly Stat[] }
  | MatrixBlock
  | { readonly kind: 'table'; readonly key: string; readonly caption: string; readonly columns: readonly Column[]; readonly rows: readonly TableRow[]; readonly empty: string }
  | { readonly kind: 'items'; readonly key: string; readonly label: string; readonly items: readonly Item[]; readonly empty: string }
  | { readonly kind: 'facts'; readonly key: string; readonly items: readonly { readonly label: string; readonly value: string; readonly mono?: boolean; readonly href?: string }[] }
  | { readonly kind: 'bar'; readonly key: string; readonly label: string; readonly buttons: readonly Button[]; readonly choices: readonly Choice[]; readonly search?: Field & { readonly act: Act }; readonly note?: string }
  | { readonly kind: 'tabs'; readonly key: string; readonly label: string; readonly items: readonly { readonly key: string; readonly label: string; readonly href: string; readonly current: boolean; readonly count?: string }[] }
  | { readonly kind: 'form'; readonly key: string; readonly label: string; readonly fields: readonly Field[]; readonly buttons: readonly Button[]; readonly submit: Act }
  | { readonly kind: 'panel'; readonly key: string; readonly panel: PanelName | string; readonly label: string; readonly input: unknown }
  | { readonly kind: 'code'; readonly key: string; readonly label: string; readonly text: string; readonly copy: Button | null }
  | { readonly kind: 'diff'; readonly key: string; readonly label: string; readonly lines: readonly { readonly mark: '+' | '-' | ' ' | '@'; readonly text: string }[] }
  | { readonly kind: 'empty'; readonly key: string; readonly title: string; readonly text: string; readonly code: string; readonly buttons: readonly Button[] }
  | { readonly kind: 'notice'; readonly key: string; readonly tone: Tone; readonly title: string; readonly text: string; readonly buttons: readonly Button[] }
  | { readonly kind: 'scrub'; readonly key: string; readonly label: string; readonly min: number; readonly max: number; readonly value: number; readonly text: string; readonly act: Act; readonly buttons: readonly Button[] }
  | { readonly kind: 'palette'; readonly key: string; readonly label: string; readonly value: string; readonly items: readonly { readonly key: string; readonly label: string; readonly hint: string; readonly act: Act; readonly active: boolean }[]; readonly empty: string }
  | { readonly kind: 'section'; readonly key: string; readonly title: string; readonly hint: string; readonly size: 'full' | 'main' | 'side' | 'half' | 'third'; readonly blocks: readonly Block[]; readonly buttons: readonly Button[]; readonly bare?: boolean }

export type BlockOf<K extends Block['kind']> = Extract<Block, { kind: K }>

export interface Column {
  readonly key: string
  readonly label: string
  readonly align?: 'end'
}

/** A stretch of a meter that is 1000 wide. */
export interface Part {
  readonly tone: Tone
  readonly from: number
  readonly width: number
  readonly label: string
}

export interface PageModel {
  readonly title: string
  readonly heading: string
  readonly crumbs: readonly { readonly label: string; readonly href: string }[]
  readonly buttons: readonly Button[]
  readonly blocks: readonly Block[]
}

export interface DialogModel {
  readonly key: string
  readonly title: string
  readonly size: 'small' | 'large'
  readonly blocks: readonly Block[]
  readonly buttons: readonly Button[]
}

export interface NavItem {
  readonly key: string
  readonly label: string
  readonly href: string
  readonly icon: IconName
  readonly current: boolean
  readonly count: string
}

export interface ShellModel {
  readonly signedIn: boolean
  readonly skip: string
  readonly brand: string
  readonly nav: readonly NavItem[]
  readonly navLabel: string
  readonly environment: Choice | null
  readonly link: { readonly tone: Tone; readonly text: string; readonly hint: string }
  readonly tools: readonly Button[]
  readonly who: string
  readonly banner: { readonly tone: Tone; readonly text: string } | null
  readonly page: PageModel
  readonly dialog: DialogModel | null
  readonly toasts: readonly { readonly key: string; readonly tone: Tone; readonly text: string }[]
  readonly closeLabel: string
  readonly announcement: string
  readonly busy: boolean
}
