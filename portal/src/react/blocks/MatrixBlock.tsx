import { memo } from 'react'
import type { MatrixRow } from '../../core/model/matrix'
import type { BlockOf, MatrixText } from '../../core/view/blocks'
import { classes, moveInGrid, roveTo } from '../../core/view/dom'
import { useApp } from '../use'
import { IconView } from './controls'

const Row = memo(function Row({ row, text, first }: { row: MatrixRow; text: MatrixText; first: boolean }) {
  const app = useApp()
  return (
    <tr role="row">
      <th role="rowheader" scope="row" tabIndex={first ? 0 : -1} className={classes('matrix-region', text.selected === row.region && 'selected')} onClick={() => app.dispatch(text.regionAct(row))}><span className="matrix-row"><IconView name={row.state} /><span className="matrix-name">{text.name(row)}</span><span className="matrix-local">{text.local(row)}</span></span></th>
      {row.cells.map((cell) => <td key={cell.step} role="gridcell" tabIndex={-1} className={classes(`cell state-${cell.state ?? 'none'}`, cell.task && text.selected === cell.task && 'selected')} aria-label={text.cellName(row, cell)} title={cell.reason} onClick={() => cell.task && app.dispatch(text.cellAct(cell))}><span className="cell-body">{cell.state && <IconView name={cell.state} />}<span className="cell-text">{text.cellText(cell)}</span></span></td>)}
    </tr>
  )
})

export function MatrixBlock({ block }: { block: BlockOf<'matrix'> }) {
  return (
    <div className="matrix-scroll" tabIndex={-1}>
      <table className="matrix" role="grid" aria-label={block.caption} onKeyDown={(event) => moveInGrid(event.nativeEvent)} onFocus={(event) => roveTo(event.nativeEvent)}>
        <thead>
          <tr className="matrix-phases" role="row"><th role="columnheader" className="matrix-corner" rowSpan={2} scope="col">{block.corner}</th>{block.heads.map((head) => <th key={head.phase} role="columnheader" className={`matrix-phase ${head.phase}`} colSpan={head.span} scope="colgroup">{head.label}</th>)}</tr>
          <tr className="matrix-steps" role="row">{block.steps.map((step, i) => <th key={step.key} role="columnheader" scope="col"><span>{block.stepLabels[i]}</span></th>)}</tr>
        </thead>
        {block.groups.map((group, g) => <tbody key={group.key}>
          {group.label && <tr className="matrix-group" role="row"><th role="rowheader" colSpan={block.steps.length + 1} scope="rowgroup">{group.label}</th></tr>}
          {group.rows.map((row, r) => <Row key={row.region ?? ''} row={row} text={block.text} first={g + r === 0} />)}
        </tbody>)}
      </table>
    </div>
  )
}
