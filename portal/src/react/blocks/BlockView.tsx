import type { ComponentType } from 'react'
import type { Block, BlockOf } from '../../core/view/blocks'
import { BarBlock, FormBlock, PaletteBlock, ScrubBlock } from './fields'
import { MatrixBlock } from './MatrixBlock'
import { PanelBlock } from './PanelBlock'
import { TableBlock } from './TableBlock'
import { ButtonView } from './controls'
import { CodeBlock, DiffBlock, EmptyBlock, FactsBlock, ItemsBlock, LeadBlock, NoticeBlock, StatsBlock, TabsBlock } from './words'

const KINDS: { [K in Block['kind']]: ComponentType<{ block: BlockOf<K> }> } = {
  lead: LeadBlock, stats: StatsBlock, matrix: MatrixBlock, table: TableBlock, items: ItemsBlock, facts: FactsBlock, bar: BarBlock, tabs: TabsBlock,
  form: FormBlock, panel: PanelBlock, code: CodeBlock, diff: DiffBlock, empty: EmptyBlock, notice: NoticeBlock, scrub: ScrubBlock, palette: PaletteBlock, section: SectionBlock,
}

export function BlockView({ block }: { block: Block }) {
  const Kind = KINDS[block.kind] as ComponentType<{ block: Block }>
  return <Kind key={`${block.kind} ${block.key}`} block={block} />
}

function SectionBlock({ block }: { block: BlockOf<'section'> }) {
  return (
    <section className={`section section-${block.size}`} aria-label={block.title} data-section={block.key}>
      <div className="section-head"><h2>{block.title}</h2>{block.hint && <span className="section-hint">{block.hint}</span>}{block.buttons.length > 0 && <div className="section-buttons">{block.buttons.map((button) => <ButtonView key={button.key} button={button} />)}</div>}</div>
      <div className="section-body">{block.blocks.map((child) => <BlockView key={child.key} block={child} />)}</div>
    </section>
  )
}
