import type { BlockOf, TableCell } from '../../core/view/blocks'
import { classes } from '../../core/view/dom'
import { BadgeView, ButtonView } from './controls'

export function TableBlock({ block }: { block: BlockOf<'table'> }) {
  if (!block.rows.length) return block.empty ? <p className="table-empty">{block.empty}</p> : null
  return (
    <div className="table-scroll" tabIndex={0} role="group" aria-label={block.caption}>
      <table className="table">
        <caption className="quiet-voice">{block.caption}</caption>
        <thead><tr>{block.columns.map((column) => <th key={column.key} scope="col" className={column.align ?? 'begin'}>{column.label}</th>)}</tr></thead>
        <tbody>
          {block.rows.map((row) => <tr key={row.key} className={row.current ? 'current' : 'row'}>
            {row.cells.map((cell, i) => <Cell key={i} cell={cell} />)}
          </tr>)}
        </tbody>
      </table>
    </div>
  )
}

function Cell({ cell }: { cell: TableCell }) {
  return (
    <td className={classes(cell.align ?? 'begin', cell.mono && 'mono', cell.tone && `tone-${cell.tone}`)} title={cell.hint}>
      {cell.badge ? <BadgeView badge={cell.badge} /> : cell.href ? <a href={cell.href}>{cell.text}</a> : cell.text ? <span>{cell.text}</span> : null}
      {cell.share !== undefined && <svg className="share" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect className="share-part" x="0" y="0" width={Math.round(cell.share * 100)} height="4" /></svg>}
      {cell.bars && <svg className="bars" preserveAspectRatio="xMinYMid meet" viewBox={`0 0 ${cell.bars.length * 8} 32`} role="img" aria-label={cell.bars.map((bar) => bar.title).join('; ') || '—'}>{cell.bars.map((bar, b) => <rect key={b} className={`bars-part tone-${bar.tone}`} x={b * 8} y={Math.round(30 - bar.height * 28)} width="6" height={Math.round(bar.height * 28 + 2)}><title>{bar.title}</title></rect>)}</svg>}
      {cell.buttons && <span className="cell-buttons">{cell.buttons.map((button) => <ButtonView key={button.key} button={button} bare={Boolean(button.icon)} />)}</span>}
    </td>
  )
}
