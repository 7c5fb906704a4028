import type { ShellModel } from '../core/view/blocks'
import { openDialog, outside } from '../core/view/dom'
import { BlockView } from './blocks/BlockView'
import { ButtonView, ChoiceView, IconView } from './blocks/controls'
import { useApp, useReadable } from './use'

export function Shell() {
  const app = useApp()
  const shell = useReadable(app)
  return (
    <div className="shell" data-signed={shell.signedIn ? 'in' : 'out'}>
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); app.world.focus('main') }}>{shell.skip}</a>
      <header className="top">
        <a className="brand" href={app.link(['now'])} aria-label={shell.brand}><svg className="brand-mark" viewBox="0 0 24 24" aria-hidden="true"><path d="M12 2 21 7v10l-9 5-9-5V7z" /><path d="M12 7v10M7.500 9.500l9 5M16.500 9.500l-9 5" /></svg><span className="brand-name">{shell.brand}</span></a>
        {shell.environment && <ChoiceView choice={shell.environment} />}
        <span className={`link tone-${shell.link.tone}`} title={shell.link.hint}><span className="link-light" aria-hidden="true"></span><span className="link-text">{shell.link.text}</span></span>
        <div className="tools">
          {shell.tools.map((tool) => <ButtonView key={tool.key} button={tool} bare />)}
          {shell.who && <span className="who">{shell.who}</span>}
        </div>
      </header>
      {shell.nav.length > 0 && <nav className="nav" aria-label={shell.navLabel}>
        {shell.nav.map((item) => <a key={item.key} className="nav-item" href={item.href} aria-current={item.current ? 'page' : undefined}><IconView name={item.icon} /><span className="nav-label">{item.label}</span>{item.count && <span className="nav-count">{item.count}</span>}</a>)}
      </nav>}
      <main id="main" className="main" tabIndex={-1} aria-busy={shell.busy ? 'true' : 'false'}>
        {shell.banner && <p className={`banner tone-${shell.banner.tone}`} role="status">{shell.banner.text}</p>}
        <div className="head">
          <div className="head-text">
            {shell.page.crumbs.length > 0 && <p className="crumbs">{shell.page.crumbs.map((crumb) => <a key={crumb.href} href={crumb.href}>{crumb.label}</a>)}</p>}
            <h1>{shell.page.heading}</h1>
          </div>
          {shell.page.buttons.length > 0 && <div className="head-buttons">{shell.page.buttons.map((button) => <ButtonView key={button.key} button={button} />)}</div>}
        </div>
        <div className="page">{shell.page.blocks.map((block) => <BlockView key={block.key} block={block} />)}</div>
      </main>
      {shell.dialog && <Dialog key={shell.dialog.key} dialog={shell.dialog} closeLabel={shell.closeLabel} />}
      <div className="toasts" role="status">{shell.toasts.map((toast) => <p key={toast.key} className={`toast tone-${toast.tone}`}>{toast.text}</p>)}</div>
      <p className="quiet-voice" aria-live="polite">{shell.announcement}</p>
    </div>
  )
}

function Dialog({ dialog, closeLabel }: { dialog: NonNullable<ShellModel['dialog']>; closeLabel: string }) {
  const app = useApp()
  const close = () => app.dispatch({ do: 'call', name: 'close' })
  return (
    <dialog ref={openDialog} className={`dialog dialog-${dialog.size}`} aria-labelledby="dialog-title" onCancel={(event) => { event.preventDefault(); close() }} onClick={(event) => outside(event.nativeEvent, event.currentTarget) && close()}>
      <div className="dialog-body">
        <div className="dialog-head"><h2 id="dialog-title">{dialog.title}</h2><ButtonView button={{ key: 'close', label: closeLabel, icon: 'close', act: { do: 'call', name: 'close' } }} bare /></div>
        {dialog.blocks.map((block) => <BlockView key={block.key} block={block} />)}
        {dialog.buttons.length > 0 && <div className="dialog-buttons">{dialog.buttons.map((button) => <ButtonView key={button.key} button={button} />)}</div>}
      </div>
    </dialog>
  )
}
