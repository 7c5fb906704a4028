import { useEffect, useLayoutEffect, useRef } from 'react'
import { PanelHost } from '../../core/panels/contract'
import type { BlockOf } from '../../core/view/blocks'
import { useApp } from '../use'

export function PanelBlock({ block }: { block: BlockOf<'panel'> }) {
  const app = useApp()
  const el = useRef<HTMLDivElement>(null)
  const host = useRef<PanelHost | null>(null)
  const latest = useRef(block)
  latest.current = block
  useLayoutEffect(() => {
    const made = new PanelHost(el.current!, latest.current, app.dispatch)
    host.current = made
    return () => made.end()
  }, [app])
  useEffect(() => host.current?.update(block), [block])
  return <div ref={el} className={`panel panel-${block.panel}`}></div>
}
