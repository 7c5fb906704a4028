import type { BlockOf } from '../../core/view/blocks'
import { ButtonView } from './controls'

export function LeadBlock({ block }: { block: BlockOf<'lead'> }) {
  return (
    <div className={`lead tone-${block.tone}`}>
      <p className="lead-text">{block.text}</p>
      {block.meta.map((line) => <p key={line} className="lead-meta">{line}</p>)}
      <svg className="meter" viewBox="0 0 1000 8" preserveAspectRatio="none" role="img" aria-label={`${block.label}: ${block.parts.map((part) => part.label).join('; ')}`}>{block.parts.map((part) => <rect key={part.tone} className={`meter-part tone-${part.tone}`} x={part.from} y="0" width={part.width} height="8" />)}</svg>
    </div>
  )
}

export function StatsBlock({ block }: { block: BlockOf<'stats'> }) {
  return <dl className="stats">{block.items.map((item) => <div key={item.key} className={`stat tone-${item.tone}`}><dt>{item.label}</dt><dd><span className="stat-value">{item.value}</span><span className="stat-hint">{item.hint}</span></dd></div>)}</dl>
}

export function ItemsBlock({ block }: { block: BlockOf<'items'> }) {
  if (!block.items.length) return <p className="items-empty">{block.empty}</p>
  return (
    <ul className="items" aria-label={block.label}>
      {block.items.map((item) => <li key={item.key} className={`item tone-${item.tone}`}>
        <p className="item-title">{item.href ? <a href={item.href}>{item.title}</a> : <span>{item.title}</span>}</p>
        <p className="item-text">{item.text}</p>
        {item.meta.map((line) => <p key={line} className="item-meta">{line}</p>)}
        {item.buttons.length > 0 && <div className="item-buttons">{item.buttons.map((button) => <ButtonView key={button.key} button={button} />)}</div>}
      </li>)}
    </ul>
  )
}

export function FactsBlock({ block }: { block: BlockOf<'facts'> }) {
  return <dl className="facts">{block.items.map((item) => <div key={item.label} className="fact"><dt>{item.label}</dt><dd className={item.mono ? 'mono' : 'plain'}>{item.href ? <a href={item.href}>{item.value}</a> : <span>{item.value}</span>}</dd></div>)}</dl>
}

export function TabsBlock({ block }: { block: BlockOf<'tabs'> }) {
  return <nav className="tabs" aria-label={block.label}>{block.items.map((item) => <a key={item.key} className="tab" href={item.href} aria-current={item.current ? 'page' : undefined}>{item.label}{item.count && <span className="tab-count">{item.count}</span>}</a>)}</nav>
}

export function CodeBlock({ block }: { block: BlockOf<'code'> }) {
  return <figure className="code"><figcaption>{block.label}</figcaption><div className="code-body"><pre tabIndex={0} role="region" aria-label={block.label}><code>{block.text}</code></pre>{block.copy && <ButtonView button={block.copy} bare />}</div></figure>
}

const LINE = { '+': 'added', '-': 'removed', '@': 'place', ' ': 'same' }

export function DiffBlock({ block }: { block: BlockOf<'diff'> }) {
  return <pre className="diff" tabIndex={0} role="group" aria-label={block.label}>{block.lines.map((line, i) => <span key={i} className={`diff-line ${LINE[line.mark]}`}><span className="diff-mark">{line.mark}</span><span>{line.text}</span></span>)}</pre>
}

export function EmptyBlock({ block }: { block: BlockOf<'empty'> }) {
  return (
    <div className="empty">
      <p className="empty-title">{block.title}</p>
      {block.text && <p className="empty-text">{block.text}</p>}
      {block.code && <pre className="empty-code"><code>{block.code}</code></pre>}
      {block.buttons.length > 0 && <div className="empty-buttons">{block.buttons.map((button) => <ButtonView key={button.key} button={button} />)}</div>}
    </div>
  )
}

export function NoticeBlock({ block }: { block: BlockOf<'notice'> }) {
  return (
    <div className={`notice tone-${block.tone}`} role="status">
      <div className="notice-words"><p className="notice-title">{block.title}</p>{block.text && <p className="notice-text">{block.text}</p>}</div>
      {block.buttons.map((button) => <ButtonView key={button.key} button={button} />)}
    </div>
  )
}
